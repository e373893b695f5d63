"""The embedded pair: started by the first user, stopped by the last, unharmed by kill -9."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis

from commerce_ai import embedded

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process")]

USER = """
import sys
from pathlib import Path
from commerce_ai import embedded
where = embedded.paths(Path(sys.argv[1]))
embedded.acquire(where)
print("up", flush=True)
sys.stdin.readline()
print(embedded.release(where), flush=True)
"""


@pytest.fixture
def where():
    # Not under pytest's own folder: the account of Postgres must be able to walk there.
    folder = Path(tempfile.mkdtemp(prefix="cai-embedded-"))
    folder.chmod(0o755)
    paths = embedded.paths(folder / "var")
    yield paths
    if paths.var.exists():
        embedded.stop(paths)
    shutil.rmtree(folder)
    shutil.rmtree(paths.sockets, ignore_errors=True)


def user(where: embedded.Paths) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(where.var)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def leave(process: subprocess.Popen[str]) -> bool:
    output, _ = process.communicate("\n", timeout=60)
    return output.strip() == "True"


def answers(where: embedded.Paths) -> bool:
    try:
        redis.Redis(unix_socket_path=str(where.redis_socket)).ping()
        with psycopg.connect(host=str(where.sockets), port=embedded.POSTGRES_PORT, user=embedded.POSTGRES_USER,
                             dbname="commerce_ai") as connection:  # fmt: skip
            connection.execute("SELECT '[1,2,3]'::text")
    except (redis.ConnectionError, psycopg.OperationalError):
        return False
    return True


def test_the_last_user_stops_the_pair_and_data_stays(where):
    first, second = user(where), user(where)
    with psycopg.connect(host=str(where.sockets), user=embedded.POSTGRES_USER, dbname="commerce_ai") as connection:
        connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    redis.Redis(unix_socket_path=str(where.redis_socket)).set("kept", "7")
    assert not leave(first)
    assert answers(where)
    assert leave(second)
    assert not answers(where)
    third = user(where)
    with psycopg.connect(host=str(where.sockets), user=embedded.POSTGRES_USER, dbname="commerce_ai") as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    assert redis.Redis(unix_socket_path=str(where.redis_socket)).get("kept") == b"7"
    assert leave(third)


def test_a_killed_user_hinders_nobody(where):
    killed = user(where)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert answers(where), "the pair outlives a killed user"
    assert leave(user(where)), "and the next one stops it"
    assert not answers(where)


def test_users_that_start_together_share_one_pair(where):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(where.var)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
    servers = redis.Redis(unix_socket_path=str(where.redis_socket)).info("server")["process_id"]
    assert servers and [leave(process) for process in processes].count(True) == 1


def test_a_killed_postgres_and_redis_start_again_with_what_was_committed(where):
    holder = user(where)
    with psycopg.connect(host=str(where.sockets), user=embedded.POSTGRES_USER, dbname="commerce_ai") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    postgres = int((where.postgres_data / "postmaster.pid").read_text().splitlines()[0])
    store = redis.Redis(unix_socket_path=str(where.redis_socket)).info("server")["process_id"]
    for pid in (postgres, store):
        os.kill(pid, signal.SIGKILL)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    again = user(where)
    with psycopg.connect(host=str(where.sockets), user=embedded.POSTGRES_USER, dbname="commerce_ai") as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)
    assert leave(again)


def test_somebody_elses_socket_folder_is_refused(where, monkeypatch):
    where.var.mkdir(parents=True)
    where.sockets.write_text("squatted")
    try:
        with pytest.raises((embedded.EmbeddedError, FileExistsError)):
            embedded.acquire(where)
    finally:
        where.sockets.unlink()
