"""An alert is one a source and key, belongs to one incident, and comes back as itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from commerce_ai import alerts
from commerce_ai.alerts import inbox
from commerce_ai.alerts.models import Alert, Incident
from tests.factories import ProductFactory, ShopFactory, ShopMemberFactory, UserFactory

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def say(shop, key="ring:1", severity="warning", at=NOW, **said):
    return alerts.raise_alert(
        shop.pk, source=said.pop("source", "fraud"), key=key, severity=severity, title=said.pop("title", "A ring"),
        at=at, **said,
    )  # fmt: skip


def test_said_twice_it_is_one_alert_with_the_newer_words(shop):
    first = say(shop, money=10)
    second = say(shop, title="A bigger ring", severity="critical", money=25.5, at=NOW + timedelta(hours=1))
    assert first.pk == second.pk and Alert.objects.of(shop).count() == 1
    assert (second.title, second.count, second.severity) == ("A bigger ring", 2, 3)
    assert second.first_seen == NOW and second.last_seen == NOW + timedelta(hours=1)
    incident = Incident.objects.of(shop).get()
    assert (incident.money, incident.severity, incident.alerts) == (Decimal("25.5"), 3, 1)


def test_a_lasting_condition_is_seen_again_and_not_counted_again(shop):
    say(shop)
    assert say(shop, again=False).count == 1


def test_resolved_and_raised_within_a_day_it_is_the_same_later_another(shop):
    first = say(shop)
    assert alerts.resolve(shop.pk, "fraud", "ring:1", at=NOW) and not alerts.resolve(shop.pk, "fraud", "ring:1")
    assert Incident.objects.of(shop).get().closed_at == NOW
    again = say(shop, at=NOW + timedelta(hours=3))
    assert again.pk == first.pk and again.state == "open" and Incident.objects.of(shop).get().closed_at is None
    alerts.resolve(shop.pk, "fraud", "ring:1", at=NOW + timedelta(hours=4))
    assert say(shop, at=NOW + timedelta(days=3)).pk != first.pk
    assert Incident.objects.of(shop).count() == 2


def test_a_source_and_kind_or_a_product_is_one_incident_for_a_day(shop, other):
    product = ProductFactory(shop=shop)
    a, b = say(shop, "ring:1"), say(shop, "ring:2")
    assert a.incident_id == b.incident_id
    assert say(shop, "model:1").incident_id != a.incident_id
    assert say(shop, "ring:1", source="pricing").incident_id != a.incident_id
    of_product = say(shop, "surge:1", source="sentiment", product_id=product.pk)
    assert say(shop, "out:9", source="inventory", product_id=product.pk).incident_id == of_product.incident_id
    assert say(shop, "ring:3", at=NOW + timedelta(hours=25)).incident_id != a.incident_id
    assert say(other, "ring:1").incident_id != a.incident_id


def test_an_acknowledged_alert_that_becomes_worse_is_open_again_and_no_other(shop):
    alert = say(shop)
    inbox.acknowledge(shop, [alert.pk])
    assert say(shop).state == "acknowledged" and inbox.open_count(shop) == 0
    assert say(shop, severity="critical").state == "open"


def test_there_are_three_severities(shop):
    with pytest.raises(ValueError, match="'fatal'"):
        say(shop, severity="fatal")


def test_the_worth_most_comes_first_then_the_worst(shop):
    for key, severity, money in (
        ("a:1", "info", 5),
        ("b:1", "critical", None),
        ("c:1", "warning", 900),
        ("d:1", "warning", None),
    ):
        say(shop, key, severity, money=money)
    assert [each.key for each in inbox.ranked(shop)] == ["c:1", "a:1", "b:1", "d:1"]
    assert [each.group for each in inbox.open_incidents(shop)] == ["fraud:c", "fraud:a", "fraud:b", "fraud:d"]


def test_only_members_are_assigned_and_only_the_shops_alerts_change(shop, other):
    alert, theirs = say(shop), say(other)
    member = ShopMemberFactory(shop=shop).user
    assert inbox.assign(shop, [alert.pk, theirs.pk], member) == [alert]
    with pytest.raises(ValueError, match="member"):
        inbox.assign(shop, [alert.pk], UserFactory())
    assert inbox.resolve(shop, [theirs.pk]) == []
    assert Alert.objects.of(other).get().state == "open" and inbox.assign(shop, [alert.pk], None) == [alert]


def test_what_was_resolved_long_ago_is_deleted(shop):
    say(shop)
    say(shop, "other:1")
    alerts.resolve(shop.pk, "fraud", "ring:1", at=NOW)
    assert inbox.forget(NOW + timedelta(days=181)) > 0
    assert [each.key for each in Alert.objects.of(shop)] == ["other:1"]


@pytest.mark.django_db(transaction=True)
def test_said_by_many_at_once_it_is_one_alert_and_one_kind_is_one_incident():
    shop = ShopFactory()

    def raising(number):
        try:
            say(shop, f"ring:{number % 2}")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(raising, range(12)))
    assert sorted(Alert.objects.of(shop).values_list("key", "count")) == [("ring:0", 6), ("ring:1", 6)]
    assert Incident.objects.of(shop).get().alerts == 2
