"""A sound PostgreSQL cluster of the tests' own, and a copy of it for each test to damage."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recovery.database import manifest as manifests
from recovery.database import measure
from recovery.database.verify import prove
from recovery.database.verify_request import request_from
from recovery.database.verify_session import Address
from support.cluster import MANIFEST_SUBJECT, Cluster
from support.proof import OPTIONS, as_postgres


@pytest.fixture(scope="module")
def template() -> Iterator[tuple[Cluster, dict[str, Any]]]:
    """A sound cluster, stopped, and the manifest of what it holds; in a directory that postgres may enter, unlike pytest's."""
    root = Path(tempfile.mkdtemp(prefix="recovery-test-"))
    root.chmod(0o711)
    try:
        yield make_template(root)
    finally:
        shutil.rmtree(root)


def make_template(root: Path) -> tuple[Cluster, dict[str, Any]]:
    """Make the cluster and take its manifest."""
    cluster = Cluster.create(root / "template")
    cluster.start()
    subject = manifests.Subject.parse({**MANIFEST_SUBJECT, "port": Cluster.PORT, "socket": str(cluster.socket)})
    taken = as_postgres(lambda: measure.capture(subject, label="test", repository="local", stanza="his"))
    cluster.stop()
    return cluster, taken


@pytest.fixture
def cluster(template: tuple[Cluster, dict[str, Any]]) -> Iterator[Cluster]:
    """A copy to damage; it is running."""
    copy = template[0].copy(template[0].root.parent / "copy")
    copy.start()
    yield copy
    copy.stop()
    shutil.rmtree(copy.root)


@pytest.fixture
def proof(cluster: Cluster, template: tuple[Cluster, dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Prove the copy, fully unless told; options may be added."""

    def run(**options: Any) -> dict[str, Any]:
        asked = {"depth": "full", "manifest": template[1], "data_directory": str(cluster.data), **OPTIONS, **options}
        return prove(Address("his", Cluster.PORT, str(cluster.socket)), request_from(asked))

    return run
