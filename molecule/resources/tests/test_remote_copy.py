"""Who owns the database server does not own the backup at the remote site."""

from __future__ import annotations

import pytest
from hospital import host


@pytest.mark.parametrize(
    "attack",
    [
        "ssh -n offsite_reader@10.20.90.11 'rm -rf /srv/offsite/pgbackrest/backup'",
        "ssh -n offsite_reader@10.20.90.11 'touch /srv/offsite/pgbackrest/backup/his/backup.info'",
        "scp -q /etc/hostname offsite_reader@10.20.90.11:/srv/offsite/pgbackrest/backup/his/backup.info",
        "pgbackrest --config=/etc/pgbackrest/offsite-read.conf --stanza=his stop && "
        "pgbackrest --config=/etc/pgbackrest/offsite-read.conf --stanza=his stanza-delete --force",
        "pgbackrest --config=/etc/pgbackrest/offsite-read.conf repo-rm --recurse backup",
    ],
)
def test_it_can_be_read_from_the_database_server_and_not_altered(attack: str) -> None:
    """BKP-11: with every right and key that the database server has, the off-site copy cannot be deleted or altered."""
    listing = "find /srv/offsite/pgbackrest/backup /srv/offsite/pgbackrest/manifests -type f -printf '%P %s %T@\n' | sort | sha256sum"
    before = host("backup-offsite").check_output(listing)
    try:
        # ssh's own status 255 would look like a lost connection to the lab.
        assert host("his-db").run("runuser -u postgres -- bash -c %s", f"{{ {attack}; }} || exit 1").rc == 1, "it was accepted"
    finally:
        host("his-db").run("runuser -u postgres -- pgbackrest --config=/etc/pgbackrest/offsite-read.conf --stanza=his start")
    assert host("backup-offsite").check_output(listing) == before
