#!/bin/bash
# install.sh ROLE: make this host the laboratory's server, or a workstation that works with it. Root; may be repeated.
#   laboratory    MariaDB with the database `lis` (seeded once), lis-app.service on port 8081; enabled and started
#   workstation   lis-client, and lis-workload.service (neither enabled nor started; RATE in /etc/default/lis-workload)
# The files are in /usr/local/lib/lis already.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
role="${1:?Say what this host is: install.sh laboratory|workstation}"
data=/srv/lis/main

sql() { mariadb --batch --skip-column-names "$@"; }

case "$role" in
    laboratory)
        install -m 644 files/60-lis.cnf /etc/mysql/mariadb.conf.d/60-lis.cnf
        # Debian's checks after each start repair tables behind the administrator's back.
        install -d /etc/systemd/system/mariadb.service.d
        printf '[Service]\nExecStartPost=\n' >/etc/systemd/system/mariadb.service.d/lis.conf
        if [ ! -e "$data/ibdata1" ]; then
            install -d -o mysql -g mysql -m 700 "$data.draft"
            cp -a /var/lib/mysql/. "$data.draft/"       # the empty server that the package made
            sync -f "$data.draft"
            mv "$data.draft" "$data"
        fi
        systemctl daemon-reload
        systemctl enable -q mariadb.service
        systemctl start mariadb.service
        if [ "$(sql -e "select count(*) from information_schema.tables where table_schema = 'lis'")" -lt 8 ]; then
            sql -e "drop database if exists lis; create database lis character set utf8mb4;
                    create user if not exists lis_app@localhost identified via unix_socket;
                    grant select, insert, update on lis.* to lis_app@localhost"
            sql lis <schema.sql
            { echo 'start transaction;'; cat seed.sql; echo 'commit;'; } | sql lis
        fi
        id -u lis_app >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin lis_app
        install -m 644 files/lis-app.service /etc/systemd/system/lis-app.service
        systemctl daemon-reload
        systemctl enable -q lis-app.service
        systemctl restart lis-app.service
        ;;
    workstation)
        install -m 755 files/lis-client /usr/local/bin/lis-client
        install -d -m 755 /var/log/lis-client /var/lib/lis-client
        install -m 644 files/lis-workload.service /etc/systemd/system/lis-workload.service
        systemctl daemon-reload
        ;;
    *)
        echo "'$role' is neither laboratory nor workstation." >&2
        exit 64
        ;;
esac
