#!/bin/bash
# Set Barman up on the database server itself and take one backup: the peer that a restore is measured beside. Root, in a lab only.
set -euo pipefail
install -d -o postgres -g postgres -m 700 /srv/backup/barman
cat > /etc/barman.conf <<'C'
[barman]
barman_user = postgres
configuration_files_directory = /etc/barman.d
barman_home = /srv/backup/barman
log_file = /srv/backup/barman/barman.log
compression = gzip
C
cat > /etc/barman.d/his.conf <<'C'
[his]
description = his
conninfo = host=/var/run/postgresql user=postgres dbname=postgres
streaming_conninfo = host=/var/run/postgresql user=postgres
backup_method = postgres
streaming_archiver = on
slot_name = barman
create_slot = auto
path_prefix = /usr/lib/postgresql/15/bin
C
hba=/etc/postgresql/15/main/pg_hba.conf
grep -q "^local replication postgres peer" "$hba" || sed -i '1i local replication postgres peer' "$hba"
systemctl reload postgresql@15-main
cd /
runuser -u postgres -- barman cron
sleep 1
runuser -u postgres -- psql -qXc 'select pg_switch_wal()' >/dev/null
sleep 1
for _ in 1 2 3 4 5 6; do                    # its first check waits for a first segment in its archive
    runuser -u postgres -- barman archive-wal his >/dev/null
    runuser -u postgres -- barman check his >/dev/null && break
    sleep 1
done
runuser -u postgres -- barman backup his --wait --immediate-checkpoint
