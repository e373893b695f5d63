"""One attempt at a claimed run: train it, and write how it ended."""

from __future__ import annotations

import logging
import threading
import traceback
from types import TracebackType

from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _

from commerce_ai.learning import leases, provenance
from commerce_ai.learning.engine import engine
from commerce_ai.learning.learner import Cancelled, NotEnoughData
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.report import LogLines, RunReport, Watcher

logger = logging.getLogger(__name__)


def execute(run: Run, watcher: Watcher | None = None) -> Run:
    """Take a claimed run to its end in this process, and return its row.

    What a learner raises is the run's end, in words. Only a lost database is raised: then nothing can be
    written, the lease runs out, and the reaper queues the run again.
    """
    report = RunReport(run, watcher)
    columns = {}
    try:
        with LogLines(report):
            version = engine(run.engine).train(run, report)
        state, reason = _outcome(version)
        columns = {"metrics": version.metrics, "baseline": version.baseline, "progress": 1.0, "stage": ""}
    except (OperationalError, InterfaceError):
        raise
    except NotEnoughData as error:
        state, reason = Run.State.SKIPPED, str(error)
    except (Cancelled, KeyboardInterrupt) as error:
        state, reason = Run.State.CANCELLED, str(error) or _("Stopped by hand.")
    except Exception as error:
        report.say(traceback.format_exc(), "error")
        state, reason = Run.State.FAILED, f"{type(error).__name__}: {error}"
    report.close()
    leases.end(run, state, reason, device=provenance.device(), **columns)
    return Run.objects.select_related("shop").get(pk=run.pk)


def _outcome(version: Version) -> tuple[str, str]:
    if version.state == Version.State.REJECTED:
        return Run.State.REJECTED, version.reason
    if version.state == Version.State.CANDIDATE:
        return Run.State.REJECTED, version.reason
    if version.publish_error:
        said = {"reason": version.reason, "error": version.publish_error}
        return Run.State.SUCCEEDED, _(
            "%(reason)s Live, but publishing failed and will be tried again: %(error)s"
        ) % said
    return Run.State.SUCCEEDED, version.reason


class Heartbeat:
    """Renews the lease of a run that trains in the foreground, where no trainer does, from a thread of its own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._stop.wait(leases.RENEW_S):
                try:
                    if not leases.renew(self._run).held:
                        return
                except (OperationalError, InterfaceError):
                    logger.warning("the lease of run %s could not be renewed", self._run.pk, exc_info=True)
                    connection.close()
        finally:
            connection.close()
