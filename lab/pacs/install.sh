#!/bin/bash
# install.sh ROLE: make this host the hospital's images server. Root; may be repeated.
set -euo pipefail
role="${1:?Say what this host is: install.sh images}"
[ "$role" = images ] || { echo "'$role' is not images." >&2; exit 64; }
