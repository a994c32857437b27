"""The ways back from a restore, where MariaDB does them in its own way (RCV-1). Standard library only."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..cluster import Cluster
from ..options import runtime
from ..shell import Procedure
from ..wayback import Ways
from . import server

LEFTOVERS = (".restoring", ".restoring.increments", ".binlog")


class MariadbWays(Ways):
    """As recovery.database.wayback asks for them."""

    def intact(self, directory: Path) -> bool:
        """Tell whether a data directory has what every data directory has."""
        return server.intact(directory)

    def discard(self, cluster: Cluster, procedure: Procedure) -> None:
        """Stop the staged server and throw away what was read for it."""
        server.stop(cluster.staging, procedure, at_once=True)
        for left in LEFTOVERS:
            shutil.rmtree(cluster.data.with_name(cluster.data.name + left), ignore_errors=True)

    def begin_own_history(self, cluster: Cluster, rejected: Path, procedure: Procedure) -> None:
        """Start the old server where only this host reaches it, and give its data the name of a new history.

        Under the old name, what it writes from now on and what the rejected server wrote would be two logs of one history.
        """
        private = server.Private(cluster.data, runtime(cluster), f"recovery-{cluster.name}")
        server.stop(cluster.data, procedure)  # a killed rollback may have left it running
        private.start(procedure)
        try:
            told = server.identity(private.socket)
            if told is not None:
                server.begin_history(private.socket, parent=told.history, based_on="")
        finally:
            private.stop(procedure)

    def wait_for_answer(self, cluster: Cluster) -> None:
        """Wait until the server in its place answers. Raises RestoreError when it does not."""
        server.wait_for_answer(cluster)

    def wait_until_usable(self, cluster: Cluster) -> None:
        """The same: once it answers, it can be written to."""
        server.wait_for_answer(cluster)
