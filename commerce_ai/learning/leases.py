"""Who works on which run: claims, leases and ends, each one statement that holds only for whoever has the lease.

A claim is a fresh UUID. Every write of an attempt names it, so an attempt whose lease was lost, and whose run
another trainer has claimed since, can neither report nor end nor make a version. Leases are kept by the
database's clock: machines need not agree on the time.
"""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from commerce_ai.learning.models import Run, RunLog

LEASE = timedelta(seconds=60)
RENEW_S = 10.0
LOG_CHARS = 20_000


@dataclass(frozen=True)
class Orders:
    """What the lease holder has to know each time it renews."""

    held: bool
    cancel: bool = False


def claim(worker: str, run_id: int | None = None) -> Run | None:
    """Take the oldest queued run, or this one; None if there is none. Two trainers never get the same."""
    queued = Run.objects.filter(state=Run.State.QUEUED, cancel_requested=False)
    if run_id is not None:
        queued = queued.filter(pk=run_id)
    with transaction.atomic():
        run = queued.select_for_update(skip_locked=True, of=("self",)).order_by("queued_at", "pk").first()
        if run is None:
            return None
        run.state, run.claim, run.attempts = Run.State.RUNNING, uuid.uuid4(), run.attempts + 1
        run.worker, run.host = worker[:120], socket.gethostname()[:120]
        run.started_at = timezone.now()
        # Kept over attempts: what was learned up to a checkpoint belongs to these rows.
        run.window_end = run.window_end or run.started_at
        run.stage, run.progress, run.reason = "", 0.0, ""
        run.lease_until = Now() + LEASE
        run.save()
    return Run.objects.select_related("shop").get(pk=run.pk)


def renew(run: Run) -> Orders:
    """Prolong the lease and hear whether the run is to stop."""
    mine = _mine(run)
    if not mine.update(lease_until=Now() + LEASE):
        return Orders(held=False)
    return orders(run)


def orders(run: Run) -> Orders:
    """The same, without prolonging it."""
    cancel = _mine(run).values_list("cancel_requested", flat=True).first()
    return Orders(held=cancel is not None, cancel=bool(cancel))


def progress(run: Run, stage: str, share: float) -> Orders:
    """Write where the run is; hear whether it is still ours and whether to stop. One statement while all is well."""
    mine = _mine(run)
    if mine.filter(cancel_requested=False).update(stage=stage[:120], progress=min(max(share, 0.0), 1.0)):
        return Orders(held=True)
    return Orders(held=mine.exists(), cancel=True)


def hold(run: Run) -> bool:
    """Lock the run's row until the caller's transaction ends; False if it is no longer ours."""
    return bool(_mine(run).select_for_update(no_key=True).values_list("pk", flat=True))


def end(run: Run, state: str, reason: str, **columns: Any) -> bool:
    """The last word on a run; False (and nothing written) if it is no longer ours to say."""
    ended = _mine(run).update(
        state=state, reason=reason, ended_at=timezone.now(), claim=None, lease_until=None, **_spent(run), **columns
    )
    if ended:
        forget_checkpoints(run)
    return bool(ended)


def give_back(run: Run, reason: str, *, spend_attempt: bool = True) -> str | None:
    """Queue a run again whose attempt broke off, or fail it when its attempts are spent.

    Its new state; None, and nothing written, if it is no longer ours.
    """
    if spend_attempt and run.attempts >= run.max_attempts:
        words = ngettext("%(reason)s It was tried once.", "%(reason)s It was tried %(attempts)s times.", run.attempts)
        tried = words % {"reason": reason, "attempts": run.attempts}
        return Run.State.FAILED if end(run, Run.State.FAILED, tried) else None
    attempts = F("attempts") if spend_attempt else F("attempts") - 1
    queued = _mine(run).update(
        state=Run.State.QUEUED, reason=reason, claim=None, lease_until=None, attempts=attempts, **_spent(run)
    )
    return Run.State.QUEUED if queued else None


def reap() -> tuple[int, int]:
    """Queue again, or fail, what nobody holds any more: (queued again, failed). Safe to run anywhere, at any time."""
    queued = failed = 0
    for run in Run.objects.filter(state=Run.State.RUNNING, lease_until__lt=Now()):
        # Its trainer may have been heard of in between.
        if not _mine(run).filter(lease_until__lt=Now()).exists():
            continue
        if run.cancel_requested:
            end(run, Run.State.CANCELLED, _("Cancelled; its trainer had gone away."))
            continue
        state = give_back(run, _("The trainer on %(host)s went away.") % {"host": run.host or "?"})
        if state is not None:
            say(run, "warning", _("The lease ran out; the run is %(state)s.") % {"state": state})
        queued, failed = queued + (state == Run.State.QUEUED), failed + (state == Run.State.FAILED)
    return queued, failed


def say(run: Run, level: str, text: str) -> None:
    RunLog.objects.create(run=run, level=level, text=text[-LOG_CHARS:])


def folder_of(run: Run) -> Path:
    """Where this machine keeps what a run needs while it is open: checkpoints and the output of its process."""
    return Path(settings.VAR_DIR) / "runs" / str(run.pk)


def checkpoints_of(run: Run) -> Path:
    """The folder that a killed fit resumes from. What another database's run of the same number left is removed."""
    folder = folder_of(run) / "checkpoints"
    owner = folder / "owner"
    mine = run.queued_at.isoformat()
    if folder.exists() and not (owner.exists() and owner.read_text() == mine):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    owner.write_text(mine)
    return folder


def forget_checkpoints(run: Run) -> None:
    shutil.rmtree(folder_of(run) / "checkpoints", ignore_errors=True)


def name_of_this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _mine(run: Run) -> Any:
    return Run.objects.filter(pk=run.pk, claim=run.claim, state=Run.State.RUNNING)


def _spent(run: Run) -> dict[str, Any]:
    """Seconds and cost over all attempts so far, this one included."""
    now = timezone.now()
    seconds = (run.seconds or 0.0) + (now - (run.started_at or now)).total_seconds()
    rate = Decimal(str(getattr(settings, "TRAINING_COST_PER_DEVICE_HOUR", 0)))
    return {"seconds": seconds, "cost": rate * Decimal(str(seconds)) / 3600}
