"""One budget: what is worth most at once, the rest once a day, nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from commerce_ai import alerts
from commerce_ai.alerts import inbox, incidents, telling, words
from commerce_ai.alerts.budget import Budget, budget_of, set_budget
from commerce_ai.alerts.models import Alert, Delivery, Incident, Severity
from commerce_ai.shop.models import Shop
from tests.alerts.conftest import make_channel

NOON = datetime(2026, 3, 2, 3, tzinfo=UTC)  # noon in Tokyo
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
EIGHT = NOON + 20 * HOUR  # the next morning there


def say(shop, kind, severity="warning", at=NOON, money=None, source="fraud"):
    return alerts.raise_alert(
        shop.pk, source=source, key=f"{kind}:1", severity=severity, title=f"{kind} it is", money=money, at=at
    )


def sent(shop, type_="alert.raised"):
    return [each.payload for each in Delivery.objects.of(shop).filter(type=type_).order_by("pk")]


def test_an_incident_gathers_for_a_minute_and_is_told_once(shop, channel):
    say(shop, "ring")
    assert telling.tell(shop, NOON + MINUTE / 2) == 0
    assert telling.tell(shop, NOON + MINUTE) == 1 == len(sent(shop))
    say(shop, "ring", at=NOON + 2 * MINUTE)
    assert telling.tell(shop, NOON + HOUR) == 0
    say(shop, "ring", "critical", at=NOON + 2 * HOUR)
    assert telling.tell(shop, NOON + 2 * HOUR) == 1  # it has become worse
    assert sent(shop)[0]["title"] == "ring it is" and sent(shop)[1]["severity"] == "critical"


def test_at_most_so_many_a_day_the_worth_most_first_the_rest_in_one_digest(shop, channel):
    set_budget(shop, Budget(most_a_day=6))
    for number in range(20):
        say(shop, f"w{number}", money=number)
    telling.tell(shop, NOON + MINUTE)
    assert [each["title"] for each in sent(shop)] == ["w19 it is", "w18 it is", "w17 it is"]
    for number in range(9):
        say(shop, f"c{number}", "critical", money=number)
    telling.tell(shop, NOON + HOUR)
    assert [each["title"] for each in sent(shop)][3:] == ["c8 it is", "c7 it is", "c6 it is"]
    assert telling.tell(shop, NOON + 2 * HOUR) == 0 == len(sent(shop, "alert.digest"))
    later = EIGHT + MINUTE
    # A new day has a new budget, which what waited spends first; the digest takes what is left.
    assert telling.tell(shop, later) == 6 + 1
    (digest,) = sent(shop, "alert.digest")
    assert digest["of"] == 20 + 9 - 12 == len(digest["incidents"])
    assert not telling.incidents.waiting(shop.pk).exists()
    assert telling.tell(shop, later + HOUR) == 0


def test_what_is_told_while_another_joins_is_told_once(shop, channel, monkeypatch):
    """The teller commits while somebody who raises has the incident in hand already."""
    say(shop, "ring")
    join = incidents.join

    def join_slowly(alert, now):
        found = join(alert, now)
        assert telling.tell(shop, NOON + MINUTE) == 1
        return found

    with monkeypatch.context() as patch:
        patch.setattr(incidents, "join", join_slowly)
        alerts.raise_alert(shop.pk, source="fraud", key="ring:2", severity="warning", title="another", at=NOON + MINUTE)
    assert telling.tell(shop, NOON + HOUR) == 0 and len(sent(shop)) == 1
    assert Incident.objects.of(shop).get().alerts == 2


def test_what_is_told_again_is_of_the_days_budget_too(shop, channel):
    set_budget(shop, Budget(most_a_day=4))
    for kind in ("ring", "fire"):
        say(shop, kind)
    assert telling.tell(shop, NOON + MINUTE) == 2
    for kind in ("ring", "fire", "flood"):
        say(shop, kind, "critical", at=NOON + HOUR)
    assert telling.tell(shop, NOON + 2 * HOUR) == 2 == len(sent(shop)) - 2
    assert telling.tell(shop, EIGHT) == 1  # the next day


def test_the_digest_gives_nothing_of_the_days_budget_back(shop, channel):
    set_budget(shop, Budget(most_a_day=2, digest_hour=23))
    say(shop, "ring")
    assert telling.tell(shop, NOON + MINUTE) == 1
    say(shop, "fire", "critical")
    assert telling.tell(shop, NOON + HOUR) == 1
    say(shop, "ring", "critical")
    assert telling.tell(shop, NOON + 2 * HOUR) == 0
    night = NOON + 11 * HOUR
    assert telling.tell(shop, night) == 1 == len(sent(shop, "alert.digest"))
    say(shop, "flood", "critical", at=night)
    assert telling.tell(shop, night + MINUTE) == 0 and len(sent(shop)) == 2


def test_what_was_raised_just_before_the_digest_is_told_at_once_all_the_same(shop, channel):
    say(shop, "fire", "critical", at=EIGHT - MINUTE / 2)
    assert telling.tell(shop, EIGHT) == 0
    assert telling.tell(shop, EIGHT + MINUTE / 2) == 1 == len(sent(shop))


def test_an_incident_that_a_person_saw_first_is_not_told(shop, channel):
    alert = say(shop, "ring")
    inbox.acknowledge(shop, [alert.pk])
    assert telling.tell(shop, NOON + MINUTE) == 0 == telling.tell(shop, EIGHT)


def test_notes_are_told_in_a_digest_only_and_only_where_they_are_wanted(shop, channel):
    make_channel(shop, name="all", min_severity=Severity.INFO)
    say(shop, "note", "info")
    assert telling.tell(shop, NOON + HOUR) == 0
    assert telling.tell(shop, EIGHT) == 1
    assert Delivery.objects.of(shop).get().channel.name == "all"


def test_a_channel_hears_from_its_severity_on_and_one_that_is_off_nothing(shop, channel):
    make_channel(shop, name="pager", min_severity=Severity.CRITICAL)
    make_channel(shop, name="off", on=False)
    say(shop, "ring")
    assert telling.tell(shop, NOON + MINUTE) == 1
    say(shop, "fire", "critical")
    assert telling.tell(shop, NOON + MINUTE) == 2


def test_without_a_channel_nothing_is_told_and_nothing_is_lost(shop):
    say(shop, "ring")
    assert telling.tell(shop, NOON + MINUTE) == 0
    make_channel(shop)
    assert telling.tell(shop, NOON + HOUR) == 1


def test_what_was_snoozed_is_open_again_in_time_and_told_again(shop, channel):
    alert = say(shop, "ring", at=NOON)
    telling.tell(shop, NOON + MINUTE)
    until = telling.timezone.now() + HOUR
    inbox.snooze(shop, [alert.pk], until)
    assert inbox.open_count(shop) == 0 and telling.wake_snoozed(until - MINUTE) == 0
    assert telling.wake_snoozed(until) == 1
    alert.refresh_from_db()
    assert alert.state == "open" and alert.snoozed_until is None
    assert telling.tell(shop, until + MINUTE) == 1
    with pytest.raises(ValueError, match="future"):
        inbox.snooze(shop, [alert.pk], NOON)


def test_the_budget_is_kept_in_the_shop_and_nonsense_is_not_one(shop):
    assert budget_of(shop) == Budget(10, 8)
    set_budget(shop, Budget(3, 22))
    assert budget_of(Shop.objects.get(pk=shop.pk)) == Budget(3, 22)
    shop.settings = {"alerts": {"most_a_day": -1, "digest_hour": True}}
    assert budget_of(shop) == Budget(10, 8)


def test_people_read_a_title_money_and_where_to_look(shop, channel, settings):
    settings.CONSOLE_URL = "https://console.example.com"
    say(shop, "ring", money=1234.5)
    say(shop, "fire")
    telling.tell(shop, NOON + MINUTE)
    first = Delivery.objects.of(shop).order_by("pk").first()
    title, text = words.for_people(first, shop)
    assert title == "Garden Shop: ring it is"
    assert text == "[warning] ring it is, 1234.50 EUR at stake\n\nhttps://console.example.com/console/alerts/"
    digest = Delivery(type="alert.digest", payload=words.digest(shop, [Incident.objects.of(shop).last()], 3))
    title, text = words.for_people(digest, shop)
    assert title == "Garden Shop: 3 more alerts" and "and 2 more" in text
    assert Alert.objects.of(shop).count() == 2


@pytest.mark.parametrize("currency, said", [("JPY", "1235 JPY"), ("EUR", "1234.50 EUR"), ("KWD", "1234.500 KWD")])
def test_money_has_the_digits_of_its_currency(shop, channel, currency, said):
    shop.currency = currency
    shop.save()
    say(shop, "ring", money=1234.5)
    telling.tell(shop, NOON + MINUTE)
    _title, text = words.for_people(Delivery.objects.of(shop).get(), shop)
    assert f", {said} at stake" in text
