"""The rules that a shop begins with: every check of health, and its orders, revenue and visitors."""

from __future__ import annotations

from typing import Any

from commerce_ai.alerts.models import AlertRule, Severity
from commerce_ai.shop.models import Shop

Check, Comparison, Direction = AlertRule.Check, AlertRule.Comparison, AlertRule.Direction

# Check → severity and threshold.
HEALTH: dict[str, tuple[Severity, float | None]] = {
    Check.STALE_VERSION: (Severity.WARNING, 7),
    Check.DRIFT: (Severity.WARNING, None),
    Check.FAILED_RUN: (Severity.WARNING, None),
    Check.NO_EVENTS: (Severity.CRITICAL, 60),
    Check.LOST_DECISIONS: (Severity.WARNING, None),
    Check.LATE_REQUESTS: (Severity.CRITICAL, None),
    Check.PLUGIN: (Severity.CRITICAL, None),
}
WATCHED = ("orders", "revenue", "visitors")  # as `commerce_ai.ingest.metrics` counts them
ODD = 4.0  # robust z


def ensure(shop: Shop) -> None:
    """Make the rules that a shop begins with. The checks of health are there always; figures are watched once, so
    that a rule which somebody deleted stays away."""
    there = set(AlertRule.objects.of(shop).values_list("check_name", flat=True))
    missing: list[AlertRule] = []
    if not there:
        missing += [_metric(shop, name) for name in WATCHED]
    for name, (severity, threshold) in HEALTH.items():
        if name not in there:
            missing.append(AlertRule(shop=shop, check_name=name, severity=severity, threshold=threshold))
    AlertRule.objects.bulk_create(missing, ignore_conflicts=True)


def health_rules(shop: Shop) -> list[AlertRule]:
    ensure(shop)
    return list(AlertRule.objects.of(shop).filter(check_name__in=list(HEALTH)).order_by("pk"))


def metric_rules(shop: Shop) -> list[AlertRule]:
    ensure(shop)
    return list(AlertRule.objects.of(shop).filter(check_name=Check.METRIC, on=True).order_by("pk"))


def all_rules(shop: Shop) -> Any:
    """For the page: figures first, then health."""
    ensure(shop)
    rules = AlertRule.objects.of(shop).order_by("pk")
    return sorted(rules, key=lambda each: (each.check_name != Check.METRIC, each.metric, each.pk))


def _metric(shop: Shop, name: str) -> AlertRule:
    return AlertRule(
        shop=shop, check_name=Check.METRIC, metric=name, comparison=Comparison.ODD, direction=Direction.DOWN,
        threshold=ODD, severity=Severity.WARNING,
    )  # fmt: skip
