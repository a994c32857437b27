#!/bin/bash
# install.sh ROLE: make this host the hospital's laboratory server. Root; may be repeated.
set -euo pipefail
role="${1:?Say what this host is: install.sh laboratory}"
[ "$role" = laboratory ] || { echo "'$role' is not laboratory." >&2; exit 64; }
