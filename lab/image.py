"""The base image that all hosts share: built once, kept in a cache, checked before use, rebuilt when it is not whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.errors import LabError
from lab.system import exclusive, read_json, require_lab_machine, require_space, run, write_json

SUITE = "bookworm"
PACKAGES = (
    "systemd-sysv", "dbus", "openssh-server", "sudo", "python3", "python3-psycopg2", "iproute2", "iputils-ping", "nftables",
    "ethtool", "netcat-openbsd", "rsync", "procps", "ca-certificates", "locales", "postgresql-15", "pgbackrest",
    "mariadb-server", "mariadb-backup", "orthanc", "orthanc-postgresql", "dcmtk", "restic", "barman", "barman-cli",
    "openvswitch-switch", "lldpd", "python3-asyncssh", "python3-yaml",
)  # fmt: skip
# What a host of the hospital is not: it has no console to log in at, no package updates, no default database.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "getty@tty1.service", "console-getty.service", "systemd-pstore.service",
    "systemd-resolved.service", "systemd-timesyncd.service", "systemd-logind.service", "barman.timer", "cron.service",
)  # fmt: skip
# Installed everywhere, at work only where a host's role enables them.
DISABLED = ("mariadb.service", "orthanc.service", "openvswitch-switch.service", "lldpd.service")
REMOVED = ("etc/resolv.conf", "etc/hostname", "etc/machine-id", "var/lib/dbus/machine-id", "usr/sbin/policy-rc.d")
DEFAULT_CLUSTER = ("etc/postgresql/15", "var/lib/postgresql/15")  # the package makes one where it can
SSHD = "PasswordAuthentication no\nPermitRootLogin no\nUseDNS no\nAllowUsers recovery\nHostKey /etc/ssh/ssh_host_ed25519_key\n"
RECIPE_VERSION = 7
BUILD_MEGABYTES = 3500
Say = Callable[[str], None]


def cache_root() -> Path:
    """Return the directory of everything that is built once."""
    return Path(os.environ.get("LAB_CACHE") or "/var/cache/recovery-lab")


def key() -> str:
    """Return what the image depends on, as a short digest."""
    recipe = repr((SUITE, PACKAGES, MASKED, DISABLED, REMOVED, SSHD, RECIPE_VERSION))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _entries(root: Path) -> Iterator[str]:
    for directory, directories, files in os.walk(root):
        directories.sort()
        for name in sorted((*directories, *files)):
            path = os.path.join(directory, name)  # noqa: PTH118 - some 20,000 of them at every start of a lab
            status = os.lstat(path)
            yield f"{path[len(str(root)) :]} {status.st_mode:o} {status.st_uid} {status.st_size} {status.st_mtime_ns}\n"


def fingerprint(root: Path) -> str:
    """Digest the names, modes, owners, sizes and times of a tree: what changes when a file is touched, cut or lost."""
    digest = hashlib.sha256()
    for line in _entries(root):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def image_dir() -> Path:
    """Return where the image of the present recipe belongs."""
    return cache_root() / f"base-{key()}"


def image_root() -> Path:
    """Return the root of the image's file system."""
    return image_dir() / "root"


def damage(root: Path) -> str:
    """Return what is wrong with an image, as a sentence; empty when it is whole."""
    stamp = read_json(root.parent / "complete.json")
    if not root.is_dir():
        return "It has not been built yet."
    if stamp is None:
        return "Its building was interrupted."
    if stamp.get("fingerprint") != fingerprint(root):
        return "It is not as it was when it was built: files were changed, cut or lost."
    return ""


def ensure(say: Say = print) -> Path:
    """Return the root of a whole base image, building or rebuilding it if need be (about a minute)."""
    require_lab_machine()
    with exclusive(cache_root() / "image.lock", "Building the lab's base image", wait_s=600):
        problem = damage(image_root())
        if problem:
            require_lab_machine(("mmdebstrap", "systemd-nspawn"))
            require_space(cache_root(), BUILD_MEGABYTES, "The lab's base image")
            say(f"Base image: {problem} Building it (about a minute).")
            _build(say)
        _prune()
    return image_root()


def _build(say: Say) -> None:
    final = image_dir()
    if final.exists():
        final.rename(final.with_name(f"{final.name}.discarded-{time.time_ns()}"))
    draft = final.with_name(f"{final.name}.draft-{time.time_ns()}")
    root = draft / "root"
    root.mkdir(parents=True)
    started = time.monotonic()
    _debootstrap(root, say)
    _furnish(root)
    write_json(draft / "complete.json", {"fingerprint": fingerprint(root), "suite": SUITE, "packages": PACKAGES})
    draft.rename(final)
    say(f"Base image: built in {time.monotonic() - started:.0f} s.")


def _debootstrap(root: Path, say: Say) -> None:
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
    tail: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            tail = [*tail[-20:], line.rstrip()]
            if line.startswith("I: "):
                say(f"Base image: {line[3:].strip()}")
    if process.returncode != 0:
        shutil.rmtree(root.parent, ignore_errors=True)
        raise LabError(
            f"mmdebstrap could not build the base image (status {process.returncode}): {' / '.join(tail[-6:])}",
            "Check that the Debian mirror of this machine answers (apt-get update), then repeat: lab image",
        )


def _furnish(root: Path) -> None:
    for name in REMOVED:
        (root / name).unlink(missing_ok=True)
    for path in (root / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    (root / "etc/machine-id").touch()
    for unit in MASKED:
        path = root / "etc/systemd/system" / unit
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    for unit in DISABLED:
        run(["chroot", root, "systemctl", "disable", "--quiet", unit], doing=f"Disabling {unit}")
    for directory in DEFAULT_CLUSTER:
        shutil.rmtree(root / directory, ignore_errors=True)
    with (root / "etc/postgresql-common/createcluster.conf").open("a", encoding="utf-8") as configuration:
        configuration.write("create_main_cluster = false\n")
    (root / "etc/default/locale").write_text("LANG=C.UTF-8\n", encoding="utf-8")
    (root / "etc/ssh/sshd_config.d/lab.conf").write_text(SSHD, encoding="utf-8")
    (root / "etc/systemd/journald.conf.d").mkdir(exist_ok=True)
    (root / "etc/systemd/journald.conf.d/lab.conf").write_text("[Journal]\nStorage=persistent\nSystemMaxUse=64M\n", encoding="utf-8")
    (root / "var/log/journal").mkdir(exist_ok=True)
    run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "recovery"], doing="Creating the user recovery")
    sudoers = root / "etc/sudoers.d/recovery"
    sudoers.write_text("recovery ALL=(ALL) NOPASSWD: ALL\n", encoding="utf-8")
    sudoers.chmod(0o440)
    run(["chroot", root, "apt-get", "clean"], doing="Emptying the package cache")


def _in_use(path: Path) -> bool:
    return f"lowerdir={path}" in Path("/proc/self/mounts").read_text(encoding="utf-8")


def _prune() -> None:
    """Remove drafts and discarded images, unless a running lab stands on them."""
    for path in cache_root().glob("base-*"):
        if path != image_dir() and not _in_use(path / "root") and not (".discarded" in path.name and _in_use(image_root())):
            shutil.rmtree(path, ignore_errors=True)
