"""Whose processes the pair's are, where everything lies, and how a program is run there."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import pwd
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POSTGRES_PORT = 5432  # names the socket file; no TCP port is opened
POSTGRES_USER = "commerce_ai"
ACCOUNT = "pgserver"  # Postgres refuses to run as root: then both run under this account
START_TIMEOUT_S = 60

logger = logging.getLogger(__name__)


class EmbeddedError(RuntimeError):
    """The pair could not be started; the message says why and what to do."""


@dataclass(frozen=True)
class Paths:
    var: Path
    postgres_data: Path
    redis_data: Path
    sockets: Path
    redis_socket: Path
    lock: Path
    start_lock: Path
    logs: Path
    postgres_user: str = POSTGRES_USER


def paths(var: Path) -> Paths:
    """Where everything lies. Sockets get a short hashed folder: a Unix socket's path ends at 107 characters."""
    digest = hashlib.sha256(str(var).encode()).hexdigest()[:12]
    sockets = Path(tempfile.gettempdir()) / f"commerce-ai-{digest}"
    return Paths(
        var=var,
        postgres_data=var / "postgres",
        redis_data=var / "redis",
        sockets=sockets,
        redis_socket=sockets / "redis.sock",
        lock=var / "embedded.lock",
        start_lock=var / "embedded.start.lock",
        logs=var / "log",
    )


def find() -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        try:
            subprocess.run(
                ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT],
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise EmbeddedError(
                f"Postgres can't run as root, and the account {ACCOUNT!r} could not be made: {error}. "
                "Run as another user, make that account, or set DATABASE_URL"
            ) from error
        entry = pwd.getpwnam(ACCOUNT)
    return entry.pw_uid, entry.pw_gid


def run(command: list[str], where: Paths, what: str, *, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    uid, gid = find()
    other = {} if uid == os.geteuid() else {"user": uid, "group": gid, "extra_groups": []}
    if other:
        _open_the_way(Path(command[0]))
        _open_the_way(where.postgres_data)
    output = where.logs / f"{what.replace(' ', '-')}.out"
    # Into a file: a daemon that inherits a pipe would keep us waiting for its end.
    with output.open("wb") as sink:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
            **other,  # type: ignore[call-overload]
        )
    if check and done.returncode != 0:
        said = output.read_text(errors="replace").strip()[-2000:]
        raise EmbeddedError(
            f"{what} failed with status {done.returncode}: {said or 'no output'} (logs in {where.logs})"
        )
    return done


def prepare_sockets(where: Paths, uid: int, gid: int) -> None:
    where.sockets.mkdir(mode=0o700, exist_ok=True)
    found = where.sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
        raise EmbeddedError(f"{where.sockets} belongs to somebody else; remove it or set TMPDIR to another folder")
    where.sockets.chmod(0o700)
    give(where.sockets, uid, gid)
    if len(str(where.sockets / f".s.PGSQL.{POSTGRES_PORT}")) > 107:
        raise EmbeddedError(f"{where.sockets} is too long for a socket's path; set TMPDIR to a shorter folder")


def give(path: Path, uid: int, gid: int) -> None:
    if uid != os.geteuid():
        os.chown(path, uid, gid)


def package_folder(package: str, instead: str) -> Path:
    spec = importlib.util.find_spec(package)  # found, not imported: the imports have side effects
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"the package {package} is not installed; install it, or set {instead}")
    return Path(spec.origin).parent


def wait(done: Callable[[], bool], complaint: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not done():
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{complaint} within {START_TIMEOUT_S} s; see {log}")
        time.sleep(0.02)


def lives_in(pid: int, folder: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == folder  # gone or a zombie: no folder
    except OSError:
        return False


def inhabitants(folder: Path) -> list[int]:
    """Processes whose working folder it is, as a server's data folder is; none where the system doesn't say."""
    if not Path("/proc/self/cwd").exists():
        return []
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if lives_in(pid, folder)]


def _open_the_way(target: Path) -> None:
    """Let the account walk through (not list) the folders above `target`, as root's clone may lie in a private home."""
    for folder in target.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            logger.info("%s may now be walked through by others: the account %s needs it", folder, ACCOUNT)
