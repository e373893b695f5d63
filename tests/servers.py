"""Real processes for tests, in the tests' own environment: the web server on a free port, and a worker.

    with web_server() as web:
        requests.get(web.url + "/healthz")
        web.kill()      # -9, granian's own workers included
        web.start()     # again, on the same port

Rows must be committed for them to be seen, so such a test takes `transactional_db`.
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
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60


class Process:
    """A process in a session of its own, so that all that it starts ends with it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = {
            **os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **environment,
        }  # fmt: skip
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            assert self.process.poll() is None, f"the process ended: {self.output()}"
            assert time.monotonic() < deadline, f"the process is not ready: {self.output()}"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        return True

    def kill(self) -> None:
        """As a crash or the kernel would: -9, nobody is asked."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def output(self) -> str:
        """The last of what it wrote."""
        return self.log().decode(errors="replace")[-4000:]

    def log(self) -> bytes:
        """All that it wrote: what the supervisor puts into ``var/log``."""
        self._log.seek(0)
        return self._log.read()

    def pids(self) -> list[int]:
        """The process, then its children."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        group = self.process.pid  # the leader of its session
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(group, number)
            self.process.wait(timeout=15)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)  # whoever stayed behind
        self.process.wait()
        self.process = None


class WebServer(Process):
    """granian with the product's WSGI application."""

    def __init__(self, *, workers: int = 1, threads: int = 4, environment: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", str(workers), "--blocking-threads", str(threads), "--no-ws", "--log-level", "warning",
            "commerce_ai.wsgi:application",
        ]  # fmt: skip
        super().__init__(command, {"COMMERCE_AI_PROCESS": "web", "WEB_THREADS": str(threads), **(environment or {})})

    def is_ready(self) -> bool:
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


@contextmanager
def worker(*, environment: dict[str, str] | None = None) -> Iterator[Process]:
    """A running Celery worker on the tests' queues; it may take a moment until it takes the first job."""
    from django.conf import settings

    queues = ",".join(f"{settings.QUEUE_PREFIX}{name}" for name in ("default", "ingest"))
    command = [
        sys.executable, "-m", "celery", "--app", "commerce_ai.celery:app", "worker", "--queues", queues,
        "--concurrency", "1", "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    running = Process(command, {"COMMERCE_AI_PROCESS": "worker", **(environment or {})})
    try:
        running.start()
        yield running
    finally:
        running.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
