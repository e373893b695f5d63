"""The trainer: claims queued runs one after another, and trains each in a child process of its own.

A child gives back all its memory, CUDA's too, when it ends; it can be killed without harm; and no CUDA is ever
touched in a process that was forked. The trainer renews the lease while the child lives, enforces cancelling and
the time limit, and gives a run back whose child died. It imports nothing that learns.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _

from commerce_ai.learning import leases
from commerce_ai.learning.models import Run

logger = logging.getLogger(__name__)
POLL_S = 0.2
CANCEL_GRACE_S = 10.0  # for the child to hear it from its own report
KILL_GRACE_S = 5.0  # between asking a process to end and ending it
LAST_CHARS = 4_000
LOOK_S = 5.0

stopping = threading.Event()  # set when this process is asked to shut down
_woken = threading.Event()
_thread: threading.Thread | None = None


def start() -> None:
    """Train from now on whatever is queued, in a thread of this process: its main thread stays free for Celery."""
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_loop, name="trainer", daemon=True)
        _thread.start()


def wake() -> None:
    """Look now for something queued. Where no `start` was made, train it here and return when it is done."""
    if _thread is not None and _thread.is_alive():
        _woken.set()
    else:
        work()


def stop(wait_s: float = 0.0) -> None:
    """End the running child, give its run back, and start nothing more."""
    stopping.set()
    _woken.set()
    if _thread is not None and wait_s:
        _thread.join(wait_s)


def _loop() -> None:
    while not stopping.is_set():
        try:
            leases.reap()
            work()
        except Exception:
            logger.exception("the trainer could not work; it tries again")
        finally:
            connection.close()
        # A lost message costs seconds, not a run: the queue is what stands in Postgres.
        _woken.wait(LOOK_S)
        _woken.clear()


def work() -> int:
    """Train what is queued until nothing is left, or this worker is to stop; how many runs were taken."""
    taken = 0
    while not stopping.is_set() and (run := leases.claim(leases.name_of_this_process())) is not None:
        taken += 1
        supervise(run)
    return taken


def supervise(run: Run) -> None:
    """Train one claimed run in a child process, and leave its row in a state that says what became of it."""
    output = _output_file(run)
    with output.open("wb") as sink:
        process = subprocess.Popen(
            _command(run), stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, cwd=settings.BASE_DIR,
            env={**os.environ, "PYTHONUNBUFFERED": "1"}, start_new_session=True,
        )  # fmt: skip
    watch = Watch(run)
    try:
        while not _has_ended(process):
            watch.look()
            _press(process, watch)
            time.sleep(POLL_S)
    finally:
        _kill_group(process, signal.SIGKILL)  # what the child itself started, and the child if we are interrupted
        process.wait()
    _settle(run, process.returncode, watch, output)


@dataclass
class Watch:
    """Why the child has to end, and since when; `why` is empty while it may go on."""

    run: Run
    why: str = ""  # cancelled, late, stopping, lost
    since: float = 0.0
    began: float = field(default_factory=time.monotonic)
    renewed: float = field(default_factory=time.monotonic)
    looked: float = 0.0

    def look(self) -> None:
        now = time.monotonic()
        if stopping.is_set():
            self._end("stopping", now)
        if now - self.began > self.run.time_limit_s:
            self._end("late", now)
        if now - self.looked >= 1.0:
            self.looked = now
            self._hear(now)

    def _hear(self, now: float) -> None:
        try:
            if now - self.renewed >= leases.RENEW_S:
                orders = leases.renew(self.run)
                self.renewed = now
            else:
                orders = leases.orders(self.run)
        except (OperationalError, InterfaceError):
            connection.close()
            # Nobody can claim the run before the lease has run out; from then on somebody may have.
            if now - self.renewed > leases.LEASE.total_seconds():
                self._end("lost", now)
            return
        if orders.cancel:
            self._end("cancelled", now)
        if not orders.held:
            self._end("lost", now)

    def _end(self, why: str, now: float) -> None:
        if not self.why or (why == "lost" and self.why != "lost"):
            self.why, self.since = why, now


def _press(process: subprocess.Popen[bytes], watch: Watch) -> None:
    """Ask the child to end, then make it."""
    if not watch.why:
        return
    waited = time.monotonic() - watch.since
    grace = CANCEL_GRACE_S if watch.why == "cancelled" else 0.0
    if watch.why == "lost" or waited > grace + KILL_GRACE_S:
        _kill_group(process, signal.SIGKILL)
    elif waited >= grace:
        _kill_group(process, signal.SIGTERM)


def _settle(run: Run, status: int, watch: Watch, output: Path) -> None:
    """Write what the child could not: nothing, if it ended the run itself or the run is no longer ours."""
    if watch.why == "lost":
        return
    if not leases.orders(run).held:  # the child ended it itself
        if status == 0:
            shutil.rmtree(leases.folder_of(run), ignore_errors=True)
        return
    if watch.why == "cancelled":
        leases.end(run, Run.State.CANCELLED, _("Cancelled."))
    elif watch.why == "late":
        said = _("It took longer than its limit of %(limit)s seconds.") % {"limit": run.time_limit_s}
        leases.end(run, Run.State.FAILED, said)
    elif watch.why == "stopping":
        leases.give_back(run, _("The trainer was stopped; the run goes on when one is there."), spend_attempt=False)
    else:
        how = signal.Signals(-status).name if status < 0 else _("status %(status)s") % {"status": status}
        leases.say(run, "error", _last_words(output) or _("The process said nothing."))
        state = leases.give_back(run, _("The training process died (%(how)s).") % {"how": how})
        logger.warning("run %s: the training process died (%s); the run is %s", run.pk, how, state)


def _command(run: Run) -> list[str]:
    return [
        sys.executable, str(settings.BASE_DIR / "manage.py"), "train", str(run.pk),
        "--claim", str(run.claim), "--parent", str(os.getpid()),
    ]  # fmt: skip


def _output_file(run: Run) -> Path:
    folder = leases.folder_of(run)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"attempt-{run.attempts}.log"


def _last_words(output: Path) -> str:
    try:
        return output.read_text(errors="replace").strip()[-LAST_CHARS:]
    except OSError:
        return ""


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the child ended; it is not reaped yet, so that its number can't be given to another group meanwhile."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass
