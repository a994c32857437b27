"""Where a replay finds its write-ahead log: the archives, and behind them the tail that no archive has yet. Standard library only."""

from __future__ import annotations

import base64
import io
import os
import pwd
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .cluster import OWNER
from .pgbackrest import Repository
from .shell import Procedure
from .wal import SEGMENT

WAL_FETCH = """\
#!/bin/sh
# restore_command: a segment from the archives, else from the tail of the log. Only "not there" may end the replay in peace;
# anything else stops it (status above 125), so that a damaged archive is never taken for the end of the log.
name=$1 dest=$2 broken=0
for config in {configs}; do
    said=$(pgbackrest --config="$config" --stanza={stanza} --pg1-path="$PWD" archive-get "$name" "$dest" 2>&1) && exit 0
    status=$?
    [ "$status" -eq 1 ] && continue
    echo "archive-get $name with $config: status $status" $said >>{log}
    broken=1
done
for file in {tail}/"$name" {tail}/"$name".partial; do
    [ -f "$file" ] && cp "$file" "$dest" && exit 0
done
[ "$broken" -eq 0 ] && exit 1
exit 255
"""


def fetch_script(repositories: Sequence[Repository], runtime: str) -> str:
    """Return the program that PostgreSQL calls for each segment of a replay."""
    return WAL_FETCH.format(
        configs=" ".join(r.config for r in repositories),
        stanza=repositories[0].stanza,
        log=f"{runtime}/wal-fetch.log",
        tail=f"{runtime}/tail",
    )


def collect_tail(
    repositories: Sequence[Repository], tails: Mapping[str, str], old_log: Path | None, directory: Path, procedure: Procedure
) -> None:
    """Gather segments that no archive may have: from the tails of the repositories, and from what the old cluster still has.

    ``tails``: repository name -> directory of its tail, for repositories on this host; a remote one hands its tail over the
    connection. ``old_log``: the old cluster's pg_wal, if it is of the same system. PostgreSQL checks each record itself.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    sources = [old_log] if old_log is not None else []
    for repository in repositories:
        if repository.host:
            _unpack(_remote_tail(repository, procedure), directory)
        elif repository.name in tails:
            sources.append(Path(tails[repository.name]))
    for source in sources:
        for file in source.iterdir() if source.is_dir() else ():
            present = directory / file.name
            if SEGMENT.match(file.name) and file.is_file() and not present.exists():
                shutil.copyfile(file, present)
    owner = pwd.getpwnam(OWNER)
    for path in (directory, *directory.iterdir()):
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _remote_tail(repository: Repository, procedure: Procedure) -> bytes:
    command = [repository.ssh_command, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", f"{repository.host_user}@{repository.host}", "tail"]
    encoded = procedure.run(["bash", "-o", "pipefail", "-c", '"$@" | base64 -w0', "bash", *command], user=OWNER, timeout=120)
    return base64.b64decode(encoded)


def _unpack(archive: bytes, directory: Path) -> None:
    if not archive:
        return
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = Path(member.name).name
            handle = tar.extractfile(member) if member.isfile() and SEGMENT.match(name) else None
            if handle is not None:
                (directory / name).write_bytes(handle.read())
