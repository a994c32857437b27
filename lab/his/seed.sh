#!/bin/bash
# seed.sh SCALE [SEED]: create the cluster 15/main with the database `his`, full of generated data, and stop it cleanly.
#   SCALE  small (a few MB, for tests) | default (about 100 MB) | a size on disk such as 500m, 2g, 8g
#   SEED   a whole number, 1 unless told; the same scale and seed give the same rows
# Run as root on a host with postgresql-15. An existing cluster is refused unless it is the very one that this scale and seed made.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
# shellcheck source-path=SCRIPTDIR source=common.sh
. ./common.sh

scale="${1:?Say how much data: seed.sh small|default|2g}"
seed="${2:-1}"
data=/var/lib/postgresql/15/main
bin=/usr/lib/postgresql/15/bin
bytes_per_visit=3600

case "$scale" in
    small) visits=600 ;;
    default) visits=$((100 * 1048576 / bytes_per_visit)) ;;
    *[0-9]m | *[0-9]M) visits=$((${scale%[mM]} * 1048576 / bytes_per_visit)) ;;
    *[0-9]g | *[0-9]G) visits=$((${scale%[gG]} * 1073741824 / bytes_per_visit)) ;;
    *) echo "The scale '$scale' is none of small, default, or a size such as 2g." >&2; exit 64 ;;
esac
[[ "$seed" =~ ^[0-9]{1,9}$ ]] || { echo "The seed '$seed' is not a whole number of at most nine digits." >&2; exit 64; }

mark=/etc/postgresql/15/main/his-seed
if [ -e "$data/PG_VERSION" ]; then
    if [ -e "$mark" ] && [ "$(cat "$mark")" = "$scale $seed" ]; then
        echo "The cluster 15/main already holds scale $scale, seed $seed."
        exit 0
    fi
    # Debian's package makes a cluster without any database of its own (user databases have numbers from 16384 on): no loss.
    if ! grep -qs '^incomplete' "$mark" && find "$data/base" -mindepth 1 -maxdepth 1 -regex '.*/[0-9]+' -printf '%f\n' | awk '$1 >= 16384 { found = 1 } END { exit !found }'; then
        echo "The cluster in $data holds a database. Seeding would destroy it. Remove it first: pg_dropcluster --stop 15 main" >&2
        exit 1
    fi
fi
[ ! -d /etc/postgresql/15/main ] || pg_dropcluster --stop 15 main
pg_createcluster --locale C.UTF-8 --encoding UTF8 --start-conf auto 15 main -- --data-checksums --auth-local=peer --auth-host=scram-sha-256 >/dev/null
echo "incomplete: $scale $seed" >"$mark"      # a seed that was cut short is no loss and is made again

# While loading, a crash may cost everything (it is generated again), so nothing is synced and little is logged.
log=/var/log/postgresql/seed.log
running=
stop() { [ -z "$running" ] || runuser -u postgres -- "$bin/pg_ctl" -D "$data" -w -m fast stop >/dev/null; running=; }
trap stop EXIT
runuser -u postgres -- "$bin/pg_ctl" -D "$data" -w -t 60 -l "$log" -o "-c config_file=/etc/postgresql/15/main/postgresql.conf \
    -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 \
    -c archive_mode=off -c max_wal_size=8GB -c checkpoint_timeout=1h -c shared_buffers=512MB -c maintenance_work_mem=512MB \
    -c work_mem=128MB -c autovacuum=off -c jit=off -c max_parallel_maintenance_workers=2 -c timezone=UTC" start >/dev/null
running=yes

sql() { runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 -v visits="$visits" -v seed="$seed" "$@"; }
sql -d postgres -c "create role his nologin" -c "create role his_app login connection limit 40" \
    -c "create role his_reader login connection limit 10" -c "create database his owner his"
files=(schema/10-tables.sql seed/10-master.sql seed/20-history.sql schema/20-constraints.sql schema/30-triggers.sql
    schema/40-privileges.sql seed/30-finish.sql)
arguments=()
for file in "${files[@]}"; do arguments+=(-f "$file"); done
sql -d his -1 "${arguments[@]}" >/dev/null
sql -d postgres -c "grant his to postgres" >/dev/null
sql -d his <<'SQL' >/dev/null
do $$
declare r record;
begin
    for r in select format('alter %s %s owner to his', case relkind when 'S' then 'sequence' else 'table' end, oid::regclass) as statement
             from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
             union all
             select format('alter function %s owner to his', oid::regprocedure) from pg_proc where pronamespace = 'public'::regnamespace
    loop execute r.statement; end loop;
end $$;
SQL
set_passwords
runuser -u postgres -- vacuumdb -q -d his --freeze --analyze -j 2
stop
trap - EXIT
configure_cluster /etc/postgresql/15/main >/dev/null
sync -f "$data"
echo "$scale $seed" >"$mark"
echo "Seeded: scale $scale, seed $seed, $visits visits, $(du -sm "$data" | cut -f1) MB on disk."
