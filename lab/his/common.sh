# shellcheck shell=bash
# What seed.sh and install.sh share: the cluster's configuration and the roles' passwords. These protect generated data inside the lab's own
# namespaces only, hence the samples; HIS_SECRETS names a directory with files his_app and his_reader that take their place.
his_secrets="${HIS_SECRETS:-/etc/his/secrets}"

# secret NAME: print the password of role NAME.
secret() {
    if [ -s "$his_secrets/$1" ]; then
        cat -- "$his_secrets/$1"
    else
        echo "lab-sample-$1"
    fi
}

# set_passwords: give both roles their password. Through standard input, so that no process list shows it; nothing is logged.
set_passwords() {
    local role
    {
        echo "set log_statement = 'none'; set log_min_error_statement = 'panic'; set log_min_duration_statement = -1;"
        echo "set password_encryption = 'scram-sha-256';"
        for role in his_app his_reader; do
            printf "alter role %s password '%s';\n" "$role" "$(secret "$role" | sed "s/'/''/g")"
        done
    } | runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 -d postgres
}

# configure_cluster DIRECTORY: put our configuration into /etc/postgresql/15/main; prints restart, reload or nothing: what it needs.
# In pg_hba.conf only our block is ours: a backup adds lines of its own, which stay.
configure_cluster() {
    local config="$1" need="" draft
    install -d -o postgres -g postgres "$config/conf.d"
    if ! cmp -s files/postgresql.conf "$config/conf.d/10-his.conf"; then
        install -o postgres -g postgres -m 644 files/postgresql.conf "$config/conf.d/10-his.conf"
        need=restart
    fi
    draft=$(mktemp)
    cat files/pg_hba.conf >"$draft"
    if grep -q '^# END hospital information system$' "$config/pg_hba.conf"; then
        sed '/^# BEGIN hospital information system$/,/^# END hospital information system$/d' "$config/pg_hba.conf" >>"$draft"
    fi
    if ! cmp -s "$draft" "$config/pg_hba.conf"; then
        install -o postgres -g postgres -m 640 "$draft" "$config/pg_hba.conf"
        need="${need:-reload}"
    fi
    rm -f "$draft"
    echo auto >"$config/start.conf"
    echo "$need"
}
