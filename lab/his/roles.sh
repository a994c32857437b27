# shellcheck shell=bash
# The database roles' passwords, read by seed.sh and install.sh. They protect generated data inside the lab's own namespaces only,
# hence the sample; HIS_SECRETS names a directory with files his_app and his_reader that takes its place.
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
