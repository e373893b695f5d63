"""No events at an hour when some are usual, as an alert."""

from __future__ import annotations

import statistics
from datetime import datetime, timedelta

from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai.alerts.health import Finding
from commerce_ai.alerts.models import AlertRule
from commerce_ai.ids import uuid7_floor
from commerce_ai.shop.models import Event, Shop

DAYS = 14  # whose same minutes say what is usual
MOST = 50  # events that are counted of each
# Where so many are usual in the window, a window without any comes by chance once in a thousand times (Poisson: e^-7).
USUAL = 7
SINCE = "since"  # in the rule's memory: when the silence began


def silent(shop: Shop, rule: AlertRule, now: datetime | None = None) -> list[Finding]:
    """Nothing was received for `rule.threshold` minutes, and that was unusual at that time of the day.

    Once found it lasts until an event comes, be it by then night, when none are usual: `rule.memory` says since when.
    """
    now = now or timezone.now()
    since = datetime.fromisoformat(rule.memory[SINCE]) if SINCE in rule.memory else None
    if since is not None and _is_heard(shop, since, now):
        since = None
    start = now - timedelta(minutes=int(rule.threshold or 60))
    if since is None and _is_silent(shop, start, now):
        since = start
    rule.memory = {SINCE: since.isoformat()} if since else {}
    if since is None:
        return []
    detail = _(
        "When they stopped, some were usual at that time of the day: see whether the storefront still sends them."
    )
    return [Finding("tracking", _title(now - since), detail, reverse("admin:shop_event_changelist"))]


def _title(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return _("No events for %(minutes)d minutes") % {"minutes": minutes}
    return _("No events for %(hours)d hours") % {"hours": minutes // 60}


def _is_heard(shop: Shop, start: datetime, end: datetime) -> bool:
    return _count(shop, start, end + timedelta(minutes=5), most=1) > 0


def _is_silent(shop: Shop, start: datetime, end: datetime) -> bool:
    if _is_heard(shop, start, end):
        return False
    counts = [
        _count(shop, start - timedelta(days=back), end - timedelta(days=back), MOST) for back in range(1, DAYS + 1)
    ]
    # The median, and most days of the same kind: a shop that rests on Sundays is silent by right.
    same_weekday = [counts[back - 1] for back in (7, 14)]
    return statistics.median(counts) >= USUAL and min(same_weekday) > 0


def _count(shop: Shop, start: datetime, end: datetime, most: int) -> int:
    """Events received in a span, at most so many: a few entries of the index (shop, id)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {Event._meta.db_table}"  # noqa: S608  (a table name of our own)
            " WHERE shop_id = %s AND id >= %s AND id < %s LIMIT %s) AS few",
            [shop.pk, uuid7_floor(start), uuid7_floor(end), most],
        )
        return cursor.fetchone()[0]
