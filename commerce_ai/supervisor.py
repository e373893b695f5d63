"""Web, worker, trainer and beat under one roof, over the embedded pair or services of your own.

Each child runs in a session of its own, so that Ctrl-C reaches only the supervisor, which stops them in order:
web, beat, worker and trainer, and at last (through `embedded.release`) Redis and Postgres. What dies is started again,
the embedded pair too, which is nobody's child. A supervisor that was killed takes its children with it where the kernel
offers that (Linux); where it doesn't, the next start finds them in ``var/run/*.json`` and ends them first.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)
STOP_TIMEOUT_S = 20
RESTART_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_AFTER_S = 30.0  # one that ran this long has not died of what it died of before
MEND_EVERY_S = 1.0
STOP_ORDER = (("visitors",), ("web",), ("beat",), ("worker", "trainer"))
_PR_SET_PDEATHSIG = 1


class PortTaken(RuntimeError):
    """Something else listens on the port that the web process was to have."""


@dataclass
class Child:
    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0  # since it last ran steadily
    next_start: float = 0.0


@dataclass
class Supervisor:
    """Starts the four processes, restarts what dies, stops all in order."""

    var: Path
    host: str = "127.0.0.1"
    port: int = 8000
    environment: dict[str, str] = field(default_factory=dict)
    web_threads: int = 4
    mend: Callable[[], Sequence[str]] = tuple  # starts services again that died; their names
    children: list[Child] = field(default_factory=list)
    stopping: bool = False
    _mended: float = 0.0

    def start(self) -> None:
        """Start all; `PortTaken` before anything else runs if the port is not free."""
        self._end_orphans()
        refuse_taken_port(self.host, self.port)
        for name, command in commands(self.host, self.port, self.web_threads).items():
            child = Child(name, command)
            self.children.append(child)
            self._launch(child)

    def add(self, name: str, command: list[str]) -> None:
        """Start one more child, which is watched and stopped with the others; `STOP_ORDER` names it."""
        child = Child(name, command)
        self.children.append(child)
        self._launch(child)

    def watch(self, until: Callable[[], bool] = lambda: False, pause: float = 0.2) -> None:
        """Restart what dies, with a growing pause, until `until` says so or `stop` was called."""
        while not self.stopping and not until():
            self._mend()
            now = time.monotonic()
            for child in self.children:
                if child.process is not None and child.process.poll() is not None:
                    # What it started may live on, and hold its port or go on with its jobs.
                    _signal_group(child.process.pid, signal.SIGKILL)
                    child.deaths = 1 if now - child.started > STEADY_AFTER_S else child.deaths + 1
                    wait = min(RESTART_PAUSE_S * 2 ** (child.deaths - 1), LONGEST_PAUSE_S)
                    logger.warning(
                        "%s ended with status %s; it starts again in %.1f s (log: %s)",
                        child.name,
                        child.process.returncode,
                        wait,
                        self._log(child),
                    )
                    child.process, child.next_start = None, now + wait
                elif child.process is None and now >= child.next_start:
                    self._launch(child)
            time.sleep(pause)

    def stop(self) -> None:
        self.stopping = True
        for names in STOP_ORDER:
            group = [child for child in self.children if child.name in names and child.process is not None]
            for child in group:
                _signal(child.process, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            for child in group:
                assert child.process is not None
                try:
                    child.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    logger.warning("%s did not stop within %s s; it is killed", child.name, STOP_TIMEOUT_S)
                # Children of the child (granian's workers, a training) share its session: none may stay.
                _signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
                self._record(child).unlink(missing_ok=True)

    def _launch(self, child: Child) -> None:
        log = self._log(child)
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            **self.environment,
            "COMMERCE_AI_PROCESS": child.name,
            "COMMERCE_AI_VAR": str(self.var),
        }
        parent = os.getpid()
        with log.open("ab") as sink:
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),
            )
        child.started = time.monotonic()
        record = self._record(child)
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"pid": child.process.pid, "born": _born(child.process.pid)}))

    def _mend(self) -> None:
        if (now := time.monotonic()) < self._mended + MEND_EVERY_S:
            return
        self._mended = now
        try:
            for name in self.mend():
                logger.warning("%s was down and has been started again", name)
        except Exception:  # the children are looked after all the same
            logger.exception("what is embedded could not be started again")

    def _end_orphans(self) -> None:
        """End what an earlier supervisor left, by pid and birth, never by name."""
        for record in sorted((self.var / "run").glob("*.json")):
            try:
                known = json.loads(record.read_text())
                pid, born = int(known["pid"]), known["born"]
            except (ValueError, KeyError, TypeError):
                record.unlink(missing_ok=True)
                continue
            if born is not None and _born(pid) == born:
                if (owner := _parent(pid)) == os.getpid() or _is_supervised(owner):
                    raise RuntimeError(f"another supervisor (process {owner}) runs on {self.var}; stop it first")
                logger.warning("ending %s (process %s), left by an earlier supervisor", record.stem, pid)
                _signal_group(pid, signal.SIGTERM)
                deadline = time.monotonic() + STOP_TIMEOUT_S
                while _born(pid) == born and time.monotonic() < deadline:
                    time.sleep(0.05)
                _signal_group(pid, signal.SIGKILL)
            record.unlink(missing_ok=True)

    def _log(self, child: Child) -> Path:
        return self.var / "log" / f"{child.name}.log"

    def _record(self, child: Child) -> Path:
        return self.var / "run" / f"{child.name}.json"


def commands(host: str, port: int, web_threads: int) -> dict[str, list[str]]:
    """The command line of each process; docker/entrypoint.sh starts the same ones."""
    python = sys.executable
    celery = [python, "-m", "celery", "--app", "commerce_ai.celery:app"]
    prefix = os.environ.get("QUEUE_PREFIX", "")
    queues = f"{prefix}default,{prefix}ingest"
    return {
        "web": [
            python,
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--host",
            host,
            "--port",
            str(port),
            "--workers",
            "1",
            "--blocking-threads",
            str(web_threads),
            "--no-ws",
            "--log-level",
            "warning",
            "--respawn-failed-workers",
            "commerce_ai.wsgi:application",
        ],
        "worker": [
            *celery,
            "worker",
            "--queues",
            queues,
            "--concurrency",
            "2",
            "--loglevel",
            "WARNING",
            "--hostname",
            "worker@%h",
            "--max-tasks-per-child",
            "1000",
            "--without-gossip",
            "--without-mingle",
        ],
        "trainer": [
            *celery,
            "worker",
            "--queues",
            f"{prefix}training",
            "--pool",
            "solo",
            "--loglevel",
            "WARNING",
            "--hostname",
            "trainer@%h",
            "--without-gossip",
            "--without-mingle",
        ],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""],
    }


def recorded(var: Path, name: str) -> int | None:
    """The pid of a supervised process, as it was when it was started last; None where none was."""
    try:
        return int(json.loads((var / "run" / f"{name}.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None


def refuse_taken_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} on {host} can't be used: {error.strerror}. Choose another with --port"
            ) from error


def _die_with(parent: int) -> None:
    """In the child, before exec: hear of the supervisor's death (Linux), and don't outlive one that is gone."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def _signal(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(number)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _stat(pid: int) -> list[str] | None:
    try:
        # The name in parentheses may hold spaces; what follows it is plain.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _born(pid: int) -> str | None:
    """When the process started, in clock ticks since boot: with the pid, its identity. None when it is gone."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[19]


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _is_supervised(pid: int) -> bool:
    """Whether `pid` is a living supervisor: an orphan's parent is init or a reaper instead."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.endswith(b"manage.py") for word in words) and any(word in (b"up", b"demo") for word in words)


def main(arguments: list[str]) -> None:
    """Become one of the processes (a container has one each): ``python -m commerce_ai.supervisor web --port 8000``."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m commerce_ai.supervisor", description=main.__doc__)
    parser.add_argument("process", choices=["web", "worker", "trainer", "beat"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args(arguments)
    os.environ["COMMERCE_AI_PROCESS"] = chosen.process
    threads = int(os.environ.get("WEB_THREADS", "4"))
    command = commands(chosen.host, chosen.port, threads)[chosen.process]
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
