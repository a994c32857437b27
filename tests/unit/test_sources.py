"""What is installed on a host for its timers and doors must stand by itself there, with nothing missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from recovery.database import backup_command, gate
from recovery.database.mariadb import command
from recovery.database.sources import sources_of
from recovery.pacs import backup_command as pacs_command


@pytest.mark.parametrize("module", [backup_command, gate, command, pacs_command], ids=lambda module: module.__name__)
def test_an_installed_command_starts_from_its_own_files_alone(module: ModuleType, tmp_path: Path) -> None:
    for path, text in sources_of(module).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    # -S and -E: neither the virtual environment nor the project may help out.
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {module.__name__}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_imported_late_is_installed_too() -> None:
    assert "recovery/database/measure.py" in sources_of(backup_command)


def test_what_nobody_needs_is_not_installed() -> None:
    assert "recovery/database/restore.py" not in sources_of(backup_command, gate)
