"""Health as alerts: what a check finds is raised once, and resolved when it is found no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.alerts import health, rules, tasks
from commerce_ai.alerts.models import Alert, AlertRule
from commerce_ai.ids import uuid7
from commerce_ai.ingest.health import silent
from commerce_ai.learning.models import Run, Version
from commerce_ai.plugin import Health
from commerce_ai.shop import partitions
from commerce_ai.shop.models import Event
from commerce_ai.shop.revision import refresher


@pytest.fixture
def plugin(shop, monkeypatch):
    """A plugin that is on, and what it says of its health."""
    registry.switch(shop, "fraud", True)
    refresher.poll()
    said = []
    monkeypatch.setattr(registry.plugin("fraud"), "health", lambda shop: said, raising=False)
    return said


def found(shop):
    rows = Alert.objects.of(shop).filter(source="health").exclude(state="resolved")
    return {each.key: each for each in rows}


def test_a_failed_run_is_told_until_the_next_one_is_well(shop, plugin):
    now = timezone.now()
    slot = registry.plugin("fraud").slots[0].name
    run = Run.objects.create(shop=shop, learner="fraud.x", slot=slot, state="failed", reason="no memory", recipe="r")
    health.run(shop)
    health.run(shop)
    alert = found(shop)["failed_run:fraud.x"]
    assert "no memory" in alert.detail and alert.count == 1 and str(run.pk) in alert.url
    Run.objects.create(
        shop=shop, learner="fraud.x", slot=slot, state="succeeded", recipe="r", queued_at=now + timedelta(1)
    )
    health.run(shop)
    assert found(shop) == {}


def test_a_stale_version_is_told_after_the_rules_days(shop, plugin):
    slot = registry.plugin("fraud").slots[0].name
    Version.objects.create(
        shop=shop, learner="fraud.x", slot=slot, state="live", exclusive_key="k", recipe="r", manifest="m",
        trained_until=timezone.now() - timedelta(days=9),
    )  # fmt: skip
    health.run(shop)
    assert "9 days" in found(shop)["stale_version:fraud.x"].title
    AlertRule.objects.of(shop).filter(check_name="stale_version").update(threshold=10)
    health.run(shop)
    assert found(shop) == {}


def test_drift_is_told_while_the_live_recipe_does_worse_on_newer_facts(shop, plugin):
    now, slot = timezone.now(), registry.plugin("fraud").slots[0].name

    def version(state, recipe="r", minutes=0, **fields):
        return Version.objects.create(
            shop=shop, learner="fraud.x", slot=slot, state=state, exclusive_key="k", recipe=recipe, manifest="m",
            trained_until=now, created_at=now + timedelta(minutes=minutes), **fields,
        )  # fmt: skip

    version("rejected", minutes=-60)  # before the live one
    live = version("live")
    version("rejected", recipe="another", minutes=1)
    health.run(shop)
    assert found(shop) == {}
    fell = version("rejected", minutes=2, reason="auc is 0.6, its last score was 0.8")
    health.run(shop)
    alert = found(shop)["drift:fraud.x"]
    assert "0.6" in alert.detail and str(fell.pk) in alert.url and alert.severity == 2
    live.state = "retired"
    live.save()
    version("live", minutes=3)
    health.run(shop)
    assert found(shop) == {}


def test_what_a_plugin_says_is_one_alert_however_its_figures_move(shop, plugin):
    plugin[:] = [Health("bad", "3 cases wait", "/here"), Health("ok", "fine"), Health("warn", "own", alert=False)]
    health.run(shop)
    plugin[:] = [Health("bad", "14 cases wait", "/here")]
    health.run(shop)
    (alert,) = found(shop).values()
    assert alert.title.endswith("14 cases wait") and alert.severity == 3 and alert.url == "/here"
    plugin[:] = [Health("warn", "1 cases wait")]
    health.run(shop)
    assert found(shop)[alert.key].severity == 2
    rules.ensure(shop)
    AlertRule.objects.of(shop).filter(check_name="plugin").update(on=False)
    health.run(shop)
    assert found(shop) == {}


def test_a_check_that_fails_resolves_nothing_and_stops_no_other(shop, plugin, settings, monkeypatch):
    plugin[:] = [Health("bad", "it burns")]
    health.run(shop)
    settings.ALERT_CHECKS = {
        **settings.ALERT_CHECKS,
        "plugin": "commerce_ai.nowhere.check",
        "late_requests": f"{__name__}.one",
    }
    health.run(shop)
    assert {each.partition(":")[0] for each in found(shop)} == {"plugin", "late_requests"}


def one(shop, rule):
    return [health.Finding("x", "found")]


def test_a_plugin_whose_check_raises_is_an_alert_itself(shop, plugin, monkeypatch):
    def burst(shop):
        raise RuntimeError("secret")

    monkeypatch.setattr(registry.plugin("fraud"), "health", burst, raising=False)
    health.run(shop)
    (alert,) = found(shop).values()
    assert "failed" in alert.title and "secret" not in alert.detail


def test_a_plugin_whose_query_fails_takes_no_other_plugin_with_it(shop, monkeypatch):
    first, second = [each.slug for each in registry.plugins()][:2]
    for slug in (first, second):
        registry.switch(shop, slug, True)
    refresher.poll()

    def ask(sql):
        def look(shop):
            with connection.cursor() as cursor:
                cursor.execute(sql)
            return []

        return look

    monkeypatch.setattr(registry.plugin(first), "health", ask("SELECT 1/0"), raising=False)
    monkeypatch.setattr(registry.plugin(second), "health", ask("SELECT 1"), raising=False)
    health.run(shop)
    assert list(found(shop)) == [f"plugin:{first}:failed"]


def test_lost_decisions_are_told_each_time_there_are_more_and_stay(shop, monkeypatch):
    from commerce_ai.decisions import health as decisions

    lost = {"fraud": 2}
    monkeypatch.setattr(decisions, "losses", lambda shop_id: lost)
    health.run(shop)
    health.run(shop)
    alert = found(shop)["lost_decisions:fraud"]
    assert alert.count == 1 and alert.detail == "2 more, 2 in all."
    lost["fraud"] = 5
    health.run(shop)
    assert found(shop)["lost_decisions:fraud"].count == 2 and "3 more" in found(shop)["lost_decisions:fraud"].detail


NOON = datetime(2026, 3, 16, 12, tzinfo=UTC)


def sent(shop, at, count):
    Event.objects.bulk_create(
        Event(id=uuid7(at + timedelta(seconds=number)), shop=shop, name="Product Viewed", message_id=f"{at}{number}",
              occurred_at=at, received_at=at)
        for number in range(count)
    )  # fmt: skip


@pytest.fixture
def usual(shop):
    partitions.ensure_months((NOON - timedelta(days=30)).date(), NOON.date())
    for back in range(1, 15):
        sent(shop, NOON - timedelta(days=back, minutes=40), 12)
    return AlertRule(shop=shop, check_name="no_events", threshold=60)


def test_silence_is_told_where_events_are_usual_and_only_there(shop, usual):
    assert silent(shop, usual, NOON + timedelta(hours=6)) == []  # at night nobody comes
    (finding,) = silent(shop, usual, NOON)
    assert "60 minutes" in finding.title
    sent(shop, NOON - timedelta(minutes=10), 1)
    assert silent(shop, usual, NOON) == []


def test_silence_lasts_until_an_event_comes_not_until_the_night(shop, usual):
    partitions.ensure_months(NOON.date(), (NOON + timedelta(days=30)).date())
    (first,) = silent(shop, usual, NOON)
    (at_night,) = silent(shop, usual, NOON + timedelta(hours=6))
    assert at_night.key == first.key and "7 hours" in at_night.title
    assert silent(shop, usual, NOON + timedelta(days=20))  # by then no events are usual
    sent(shop, NOON + timedelta(days=20, minutes=1), 1)
    assert silent(shop, usual, NOON + timedelta(days=20, minutes=5)) == [] and not usual.memory


def test_a_small_shop_and_a_new_one_are_silent_by_right(shop, other, usual):
    assert silent(other, usual, NOON) == []
    for back in range(1, 15):
        sent(other, NOON - timedelta(days=back, minutes=40), 3)
    assert silent(other, usual, NOON) == []


def test_the_jobs_run_over_every_shop(shop, other, channel):
    tasks.watch()
    tasks.check_health()
    tasks.sweep()
    tasks.forget()
    assert AlertRule.objects.of(other).filter(check_name="no_events").exists()


@pytest.mark.parametrize("job, part", [(tasks.check_health, "health.run"), (tasks.watch, "watching.watch")])
def test_one_shops_trouble_is_not_anothers(shop, other, monkeypatch, job, part):
    seen = []

    def look(each):
        seen.append(each.pk)
        if each.pk == shop.pk:
            raise RuntimeError("broken")
        return 1

    monkeypatch.setattr(f"commerce_ai.alerts.tasks.{part}", look)
    assert job() == 1 and seen == [shop.pk, other.pk]
