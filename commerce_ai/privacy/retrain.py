"""What becomes of versions that were trained on somebody who was erased.

The person is unknown to every answer at once: `Caller.subject` asks the tombstones. The live version is trained again
at its next schedule, or at once where `RETRAIN_AFTER_ERASURE` says so. When a later training is live, the files of
those that knew the person go; after 30 days at the latest those of all that are not live.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai.learning import artifacts
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.privacy.models import ErasureLog

logger = logging.getLogger(__name__)

MISSED = timedelta(hours=26)  # every schedule comes once a day
LONGEST = timedelta(days=30)
_CACHED_S = 3600.0


def settle() -> int:
    """One look at every erasure that some version still knows of; how many are settled now."""
    settled = 0
    for pk in list(ErasureLog.objects.filter(settled_at=None).order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            log = ErasureLog.objects.select_for_update(of=("self",), skip_locked=True).filter(
                pk=pk, settled_at=None
            ).select_related("shop").first()  # fmt: skip
            settled += log is not None and _settle(log, timezone.now())
    _empty_cache()
    return settled


def at_once(log: ErasureLog) -> None:
    """Ask for the trainings right after an erasure, where the install wants that; else the schedule comes."""
    if getattr(settings, "RETRAIN_AFTER_ERASURE", "schedule") == "at once":
        for version in Version.objects.of(log.shop_id).filter(pk__in=log.versions, state=Version.State.LIVE):
            _train_again(log, version)


def said_of(version: Version) -> str:
    """For the page of a version that was trained on somebody who was erased; empty for all others."""
    logs = ErasureLog.objects.of(version.shop_id).filter(versions__contains=[version.pk])
    if not logs.exists():
        return ""
    if not version.manifest:
        return _("It was trained on somebody who was erased: its files were let go, and it can't answer again.")
    if version.state == Version.State.LIVE:
        return _("It was trained on somebody who was erased since. The person is unknown to its answers already; the "
                 "next training replaces it.")  # fmt: skip
    return _("It was trained on somebody who was erased since: its files go as soon as a later training is live, after "
             "%(days)s days at the latest. There is no roll-back to it then.") % {"days": LONGEST.days}  # fmt: skip


def _settle(log: ErasureLog, now: datetime) -> bool:
    # Whatever was being trained meanwhile had read its facts before.
    began_before = Q(run__started_at__lt=log.done_at) | Q(run=None)
    late = Version.objects.of(log.shop_id).filter(
        began_before, created_at__gte=log.done_at, created_at__lt=log.done_at + MISSED, origin=Version.Origin.RUN
    ).exclude(manifest="").exclude(pk__in=log.versions)  # fmt: skip
    log.versions = [*log.versions, *late.values_list("pk", flat=True)]
    open_ = 0
    for version in Version.objects.of(log.shop_id).filter(pk__in=log.versions).exclude(manifest=""):
        if version.state == Version.State.LIVE:
            open_ += 1
            if now - log.done_at > MISSED:
                _train_again(log, version)
        elif now - log.done_at > LONGEST or _is_replaced(log, version):
            artifacts.let_go(version)
        else:
            open_ += 1
    if not open_:
        log.settled_at = now
    log.save(update_fields=["versions", "settled_at"])
    return not open_


def _is_replaced(log: ErasureLog, version: Version) -> bool:
    """Whether what is live in the version's place was trained since."""
    rows = Version.objects.of(log.shop_id).filter(exclusive_key=version.exclusive_key, state=Version.State.LIVE)
    return rows.exclude(pk__in=log.versions).filter(run__started_at__gte=log.done_at).exists()


def _train_again(log: ErasureLog, version: Version) -> None:
    """Ask for a run, unless one waits or was tried since: then a person sees why it did not take the place."""
    since = Q(state=Run.State.QUEUED) | Q(queued_at__gte=max(log.done_at, timezone.now() - MISSED))
    if Run.objects.of(log.shop_id).filter(since, learner=version.learner).exists():
        return
    try:
        request_run(log.shop, version.learner, reason=_("erasure"))
    except Exception as error:  # its plugin or its parameters may be gone; the files still go in time
        logger.warning("%s can't be trained again after an erasure (%s)", version, type(error).__name__)


def _empty_cache() -> None:
    """Delete this machine's copies of files that no version has any more."""
    cache = Path(settings.VAR_DIR) / "artifacts"
    there = [each for each in cache.iterdir() if _NAME.fullmatch(each.name)] if cache.is_dir() else []
    known = set(Version.objects.filter(manifest__in=[each.name for each in there]).values_list("manifest", flat=True))
    for folder in there:
        if folder.name not in known and time.time() - folder.stat().st_mtime > _CACHED_S:
            shutil.rmtree(folder, ignore_errors=True)


_NAME = re.compile("[0-9a-f]{64}")
