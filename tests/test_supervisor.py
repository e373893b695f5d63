"""`manage.py up`: all four processes, stopped cleanly; a kill -9 hinders nobody."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from commerce_ai import embedded
from commerce_ai.embedded import redis
from commerce_ai.supervisor import PortTaken, refuse_taken_port

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process")]
ROOT = Path(__file__).resolve().parent.parent
NAMES = {"web", "worker", "trainer", "beat"}


@pytest.fixture
def var():
    folder = Path(tempfile.mkdtemp(prefix="cai-up-"))
    folder.chmod(0o755)
    yield folder / "var"
    where = embedded.paths((folder / "var").resolve())
    if where.var.exists():
        embedded.stop(where)
    shutil.rmtree(folder)
    shutil.rmtree(where.sockets, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment_of(var: Path) -> dict[str, str]:
    own = ("REDIS_DB", "QUEUE_PREFIX", "DATABASE_NAME")
    environment = {key: value for key, value in os.environ.items() if key not in own}
    return {**environment, "DJANGO_SETTINGS_MODULE": "commerce_ai.settings", "COMMERCE_AI_VAR": str(var)}


def up(var: Path, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port), "--var", str(var)],
        env=environment_of(var), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_ready(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while True:
        assert process.poll() is None, process.stdout and process.stdout.read()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < deadline, "not ready within 240 s"
            time.sleep(0.2)


def children(var: Path) -> dict[str, int]:
    return {path.stem: json.loads(path.read_text())["pid"] for path in (var / "run").glob("*.json")}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def offspring(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(true) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(alive(pid) for pid in pids)


def test_up_runs_all_and_stops_all_and_a_kill_hinders_nobody(var):
    port = free_port()
    killed = up(var, port)
    wait_ready(port, killed)
    orphans = children(var)
    assert orphans.keys() == NAMES and all(alive(pid) for pid in orphans.values())
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    again = up(var, port)
    # First this: until it has ended, the old web may be the one that answers.
    assert gone(list(orphans.values())), "what the killed one left was ended"
    wait_ready(port, again)
    now = children(var)
    assert now.keys() == NAMES and set(now.values()).isdisjoint(orphans.values())

    where = embedded.paths(var.resolve())
    left = offspring(now["web"])
    os.kill(redis.pid(where), signal.SIGKILL)
    os.kill(now["web"], signal.SIGKILL)
    assert gone([now["web"], *left]), "what the web process started ends with it, and gives its port back"
    until(lambda: children(var)["web"] != now["web"] and redis.answers(where))
    wait_ready(port, again)
    now = children(var)

    status = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "status"], env=environment_of(var), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert status.returncode == 0, status.stderr
    assert all(name in status.stdout for name in (*NAMES, "supervisor", "postgres", "redis"))

    canary = "canary77@shop.example"
    for path in (f"/api/v1/customers/{canary}", f"/nothing/{canary}?q={canary}"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10)

    second = up(var, free_port())
    output, _ = second.communicate(timeout=60)
    assert second.returncode != 0 and "another supervisor" in output

    again.send_signal(signal.SIGINT)
    assert again.wait(60) == 0
    assert gone(list(now.values()))
    assert not embedded.runs(where)
    logs = {file.stem: file.read_text() for file in (var / "log").glob("*.log")}
    assert logs.keys() >= NAMES and "Not Found" in logs["web"]
    assert not [name for name, text in logs.items() if canary in text]


def test_a_taken_port_is_one_clear_message(var):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1"):
            refuse_taken_port("127.0.0.1", port)
        process = up(var, port)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and f"port {port}" in output and "Traceback" not in output
    assert not (var / "postgres").exists(), "nothing was started"
