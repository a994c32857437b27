#!/bin/bash
# install.sh ROLE: make this host part of the hospital's picture archive. Root; may be repeated.
#   images        Orthanc with its index in PostgreSQL (cluster 15/pacs), both below /srv/pacs/archive; enabled and started
#   workstation   pacs-client, and pacs-workload.service (neither enabled nor started; EVERY in /etc/default/pacs-workload, seconds)
# The files are in /usr/local/lib/pacs already. Orthanc reaches its index over the local socket as its own account: there is no password.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
role="${1:?Say what this host is: install.sh images|workstation}"
archive=/srv/pacs/archive

make_index() {
    # Without syncing: a power cut in this second leaves a lab to boot again, and nothing else.
    pg_createcluster --datadir "$archive/index" --port 5432 --locale C.UTF-8 --encoding UTF8 15 pacs -- \
        --data-checksums --auth-local=peer --auth-host=reject --no-sync >/dev/null
}

case "$role" in
    images)
        install -d -m 755 "$archive"
        install -d -o orthanc -g orthanc -m 750 "$archive/store"
        if [ ! -d /etc/postgresql/15/pacs ]; then
            make_index
        fi
        install -o postgres -g postgres -m 644 files/postgresql.conf /etc/postgresql/15/pacs/conf.d/10-pacs.conf
        install -d /etc/pacs /etc/systemd/system/orthanc.service.d
        install -m 644 files/orthanc.json /etc/pacs/orthanc.json
        install -m 644 files/orthanc.service.conf /etc/systemd/system/orthanc.service.d/pacs.conf
        systemctl daemon-reload
        systemctl enable -q postgresql.service orthanc.service
        # Debian's unit returns two seconds after the server answers: it is waited for here instead.
        systemctl start --no-block postgresql@15-pacs.service
        for _ in $(seq 150); do
            ! pg_isready -q || break
            sleep 0.1
        done
        runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 -f files/index.sql
        systemctl start orthanc.service
        for _ in $(seq 100); do
            ! nc -z 127.0.0.1 104 || break
            sleep 0.1
        done
        ;;
    workstation)
        install -m 755 client.py /usr/local/bin/pacs-client
        install -d -m 755 /var/log/pacs-client /var/lib/pacs-client
        install -m 644 files/pacs-workload.service /etc/systemd/system/pacs-workload.service
        systemctl daemon-reload
        ;;
    *)
        echo "'$role' is neither images nor workstation." >&2
        exit 64
        ;;
esac
