"""Real processes for tests: the web server on a free port, in the tests' own environment.

    with web_server() as web:
        requests.get(web.url + "/healthz")
        web.kill()      # -9, workers included
        web.start()     # again, on the same port

Its rows must be committed to be seen, so such a test takes `transactional_db`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60


class WebServer:
    """granian with the product's WSGI application. Every process of it is in one session, and ends with `kill`."""

    def __init__(self, *, workers: int = 1, threads: int = 4, environment: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", str(workers), "--blocking-threads", str(threads), "--no-ws", "--log-level", "warning",
            "commerce_ai.wsgi:application",
        ]  # fmt: skip
        self._environment = {
            **os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "COMMERCE_AI_PROCESS": "web",
            "WEB_THREADS": str(threads), "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            **(environment or {}),
        }  # fmt: skip
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the server)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self.process.poll() is None, f"the web server ended: {self.output()}"
            assert time.monotonic() < deadline, f"the web server does not answer: {self.output()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """As a crash or the kernel would: -9, nobody is asked."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def output(self) -> str:
        """What it wrote, as far as it did."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]

    def pids(self) -> list[int]:
        """The server's processes: the parent, then its workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        group = self.process.pid  # a session of its own: the group's id is the leader's
        try:
            os.killpg(group, number)
            self.process.wait(timeout=15)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(group, signal.SIGKILL)  # whoever stayed behind
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/healthz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def web_server(*, workers: int = 1, threads: int = 4, environment: dict[str, str] | None = None) -> Iterator[WebServer]:
    """A running web server; it is gone afterwards, whatever happened."""
    server = WebServer(workers=workers, threads=threads, environment=environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
