"""Rules on daily figures: judged once a finished day, told by the budget, resolved when it is usual again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from commerce_ai import alerts
from commerce_ai.alerts import raising, rules, telling, watching
from commerce_ai.alerts.models import Alert, AlertRule, Delivery, Incident
from commerce_ai.shop.models import DailyMetric

FIRST = date(2026, 1, 5)
WEEK = (40, 42, 39, 41, 55, 80, 20)


def fill(shop, name, values, dimension="", first=FIRST):
    DailyMetric.objects.bulk_create(
        DailyMetric(shop=shop, day=first + timedelta(days=step), name=name, dimension=dimension, value=float(value))
        for step, value in enumerate(values)
    )


def night_after(day):
    """Four in the morning in Tokyo, after that day."""
    return datetime(day.year, day.month, day.day, 19, tzinfo=UTC)


def test_a_fall_is_an_alert_with_the_money_that_is_missing_and_is_resolved_by_itself(shop):
    fill(shop, "revenue", [100 * WEEK[step % 7] for step in range(58)])
    fill(shop, "orders", [WEEK[step % 7] for step in range(58)])
    bad = FIRST + timedelta(days=57)
    DailyMetric.objects.of(shop).filter(day=bad, name="revenue").update(value=0)
    assert watching.watch(shop, night_after(bad)) == 1
    alert = Alert.objects.of(shop).get()
    assert (
        alert.money == Decimal(4200)
        and alert.title == "revenue is 0 where 4,200 is usual"
        and "2026-03-03" in alert.detail
    )
    assert watching.watch(shop, night_after(bad) + timedelta(hours=1)) == 0  # a day is judged once
    fill(shop, "revenue", [3900], first=bad + timedelta(days=1))
    fill(shop, "orders", [39], first=bad + timedelta(days=1))
    watching.watch(shop, night_after(bad + timedelta(days=1)))
    alert.refresh_from_db()
    assert alert.state == "resolved" and Incident.objects.of(shop).get().closed_at


def test_a_watch_that_died_between_two_rules_counts_none_twice(shop, monkeypatch):
    for name in rules.WATCHED:
        fill(shop, name, [WEEK[step % 7] for step in range(57)] + [0])
    night, raised = night_after(FIRST + timedelta(days=57)), raising.raise_alert

    def die_at_the_second(*args, **kwargs):
        if Alert.objects.of(shop).exists():
            raise RuntimeError("died")
        return raised(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(raising, "raise_alert", die_at_the_second)
        watching.watch(shop, night)
    assert watching.watch(shop, night) == 2
    assert [each.count for each in Alert.objects.of(shop)] == [1, 1, 1]


def test_figures_that_fall_together_are_one_incident(shop):
    for name in rules.WATCHED:
        fill(shop, name, [WEEK[step % 7] for step in range(57)] + [0])
    assert watching.watch(shop, night_after(FIRST + timedelta(days=57))) == 3
    assert Incident.objects.of(shop).get().alerts == 3


def test_a_shop_without_figures_and_a_rule_that_is_off_say_nothing(shop, other):
    assert watching.watch(shop, night_after(FIRST)) == 0
    fill(other, "orders", [40] * 57 + [0])
    rules.ensure(other)
    AlertRule.objects.of(other).update(on=False)
    assert watching.watch(other, night_after(FIRST + timedelta(days=58))) == 0


def test_a_rule_is_tried_on_the_past_before_it_is_trusted(shop):
    fill(shop, "orders", [WEEK[step % 7] for step in range(100)])
    odd = FIRST + timedelta(days=80)
    DailyMetric.objects.of(shop).filter(day=odd).update(value=400)
    rule = AlertRule(shop=shop, metric="orders", comparison="odd", threshold=4)
    assert watching.spoken(shop, rule, night_after(FIRST + timedelta(days=99)) + timedelta(hours=12)) == [odd]


def test_a_rule_that_was_deleted_is_not_made_again(shop):
    rules.ensure(shop)
    AlertRule.objects.of(shop).filter(metric="orders").delete()
    rules.ensure(shop)
    assert {each.metric for each in rules.metric_rules(shop)} == {"revenue", "visitors"}


def test_ninety_quiet_days_of_a_small_shop(shop, channel):
    """Twelve figures of noise, each watched both ways, and plugins that find a little every day: at most 5 messages a
    day leave, and the figures' false alarms are rare."""
    rng = np.random.default_rng(20260105)
    season = np.tile(WEEK, 22)[: 7 * 9 + 90] / 45
    for name, mean in (("orders", 40), ("visitors", 1500), ("carts", 90), ("returns", 2), ("texts", 6)):
        fill(shop, name, rng.negative_binomial(30, 30 / (30 + mean * season)))
    fill(shop, "revenue", [rng.lognormal(3.5, 0.7, each).sum() for each in rng.poisson(40 * season)])
    for name in ("conversion", "margin", "share"):
        fill(shop, name, rng.beta(40, 160, len(season)))
    for name in ("spend", "latency", "clicks"):
        fill(shop, name, rng.gamma(20, 5, len(season)) * season)
    rules.ensure(shop)
    there = {each.metric for each in rules.metric_rules(shop)}
    names = set(DailyMetric.objects.of(shop).values_list("name", flat=True))
    AlertRule.objects.of(shop).filter(check_name="metric").update(direction="both")
    AlertRule.objects.bulk_create(
        AlertRule(shop=shop, metric=name, comparison="odd", threshold=rules.ODD) for name in sorted(names - there)
    )
    false = 0
    for step in range(7 * 9, len(season)):
        night = night_after(FIRST + timedelta(days=step))
        false += watching.watch(shop, night)
        for number in range(int(rng.poisson(1.5))):
            source = ("fraud", "inventory", "pricing")[int(rng.integers(3))]
            alerts.raise_alert(
                shop.pk, source=source, key=f"note:{step}-{number}", severity="info" if rng.random() < 0.5 else "warning",
                title="a little thing", money=float(rng.exponential(20)), at=night,
            )  # fmt: skip
        for hour in (0.1, 4):
            telling.tell(shop, night + timedelta(hours=hour))
    sent = Counter(
        each.astimezone(shop.tz).date() for each in Delivery.objects.of(shop).values_list("made_at", flat=True)
    )
    assert max(sent.values()) <= 5 and sum(sent.values()) / 90 < 3, sent
    assert len(names) == 12 and false <= 90 * 12 / 100, false  # of 1,080 judgements
