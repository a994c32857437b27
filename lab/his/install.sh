#!/bin/bash
# install.sh ROLE: make this host the hospital information system's database, application or workstation. Root; may be repeated.
#   database      configuration of the cluster 15/main (made by seed.sh), passwords; enabled and started
#   spare         the database's configuration without any data: where a restored database may come up later
#   application   his-app.service on 10.20.10.12:8080, enabled and started
#   workstation   his-client, his-notices.service (what the hospital tells its users), his-workload.service (neither enabled nor
#                 started; RATE in /etc/default/his-workload)
# The files are in /usr/local/lib/his already. HIS_SECRETS (default /etc/his/secrets) may name files his_app and his_reader.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
# shellcheck source-path=SCRIPTDIR source=common.sh
. ./common.sh
role="${1:?Say what this host is: install.sh database|spare|application|workstation}"
config=/etc/postgresql/15/main

# The address by which the application finds the database, wherever it runs: every database server can hold it, one does.
service_address() {
    install -m 644 files/his-service-address.service /etc/systemd/system/his-service-address.service
    systemctl daemon-reload
}

case "$role" in
    database)
        if [ ! -d "$config" ]; then
            echo "There is no cluster 15/main on this host. Make it first: $PWD/seed.sh default" >&2
            exit 1
        fi
        need=$(configure_cluster "$config")
        service_address
        systemctl enable -q --now his-service-address.service
        systemctl enable -q postgresql.service
        if [ -n "$need" ] && systemctl is-active -q postgresql@15-main.service; then
            systemctl "$need" postgresql@15-main.service
        fi
        systemctl start postgresql@15-main.service
        # The samples are in the seeded cluster already.
        if [ -d "$his_secrets" ]; then
            set_passwords
        fi
        ;;
    spare)
        service_address
        if [ ! -d "$config" ]; then
            pg_createcluster --locale C.UTF-8 --encoding UTF8 15 main -- --data-checksums --auth-local=peer --auth-host=scram-sha-256 \
                >/dev/null
            # Only the configuration is wanted: an empty database that answers would be worse than none.
            rm -rf /var/lib/postgresql/15/main
        fi
        configure_cluster "$config" >/dev/null
        ;;
    application)
        install -d -m 755 /etc/his
        if ! id -u his-app >/dev/null 2>&1; then
            useradd --system --no-create-home --shell /usr/sbin/nologin his-app
        fi
        (umask 077 && secret his_app >/etc/his/app-password)
        install -m 644 files/his-app.service /etc/systemd/system/his-app.service
        systemctl daemon-reload
        systemctl enable -q his-app.service
        systemctl restart his-app.service
        ;;
    workstation)
        install -m 755 files/his-client /usr/local/bin/his-client
        install -d -m 755 /var/log/his-client /var/lib/his-client
        install -m 644 files/his-workload.service files/his-notices.service /etc/systemd/system/
        systemctl daemon-reload
        systemctl enable -q --now his-notices.service
        ;;
    *)
        echo "'$role' is none of database, spare, application, workstation." >&2
        exit 64
        ;;
esac
