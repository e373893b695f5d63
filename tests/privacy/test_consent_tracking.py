"""What browsers say of consent: read in the ways that consent platforms say it, recorded once, from what is stored."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.ids import uuid7
from commerce_ai.ingest import consents, project, visitors
from commerce_ai.ingest.models import IngestBatch
from commerce_ai.ingest.tracking import accept
from commerce_ai.privacy.erase import erase
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Consent, Customer, DailyMetric, Event
from commerce_ai.shop.revision import refresher
from tests.factories import ProductFactory, ShopFactory

pytestmark = pytest.mark.django_db
T0 = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
ALL = {"analytics": True, "personalisation": True, "ads": False, "model_training": True}


@pytest.fixture
def shop():
    return ShopFactory()


def message(said, minutes=0, **fields):
    return {
        "type": "track", "event": "Product Viewed", "messageId": str(uuid7()), "anonymousId": "a1",
        "timestamp": (T0 + timedelta(minutes=minutes)).isoformat(), "properties": {"product_id": "p1"},
        "context": {"consent": said} if said is not None else {}, **fields,
    }  # fmt: skip


def take(shop, *messages, trusted=False, project_now=True):
    accepted = accept(shop.pk, [json.dumps(each).encode() for each in messages], trusted=trusted)
    assert not accepted.rejected
    if project_now:
        project.run()


def rows(shop):
    found = Consent.objects.of(shop).order_by("at", "purpose")
    return [(each.anonymous_id, each.purpose, each.granted, (each.at - T0) / timedelta(minutes=1)) for each in found]


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (ALL, ALL),
        ({"categoryPreferences": {"Advertising": False, "Analytics": True, "Functional": True}},
         {"ads": False, "analytics": True, "personalisation": True}),
        ({"categoryPreferences": {"C0001": True, "C0002": False, "C0004": True}}, {"analytics": False, "ads": True}),
        ({"ad_storage": "granted", "ad_user_data": "denied", "analytics_storage": "granted"},
         {"ads": False, "analytics": True}),
        ({"marketing": True, "ads": None, "unheard": True, "personalization": 1}, {"ads": True}),
        ({"Model Training": False}, {"model_training": False}),
        ({}, {}), ([], {}), ("all", {}), (None, {}), ({"categoryPreferences": []}, {}), ({"x" * 999: True}, {}),
    ],
)  # fmt: skip
def test_the_usual_ways_to_say_it_are_understood(said, understood):
    assert consents.purposes_of(said) == understood


def test_many_events_of_one_mind_make_one_row_a_purpose(shop):
    take(shop, *(message({"analytics": False}, n / 10) for n in range(500)))
    assert rows(shop) == [("a1", "analytics", False, 0)]
    kept = Consent.objects.of(shop).get()
    assert (kept.source, kept.customer_id, kept.evidence) == ("tracking", None, "")
    take(shop, *(message({"analytics": False, "ads": True}, n) for n in range(60, 70)))
    assert rows(shop) == [("a1", "analytics", False, 0), ("a1", "ads", True, 60)]


def test_every_turn_is_kept_and_the_last_counts(shop):
    take(shop, message(ALL), message(ALL, 1), message({"ads": True}, 2), message({"ads": False}, 3))
    assert [row for row in rows(shop) if row[1] == "ads"] == [
        ("a1", "ads", False, 0), ("a1", "ads", True, 2), ("a1", "ads", False, 3),
    ]  # fmt: skip
    assert consent.of(shop, anonymous_id="a1")[Purpose.ADS] is False


def test_a_batch_says_it_once_for_all_its_messages(shop):
    raws = [json.dumps(message(None, anonymousId=f"a{n}") | {"context": {}}).encode() for n in range(3)]
    accept(shop.pk, raws, context=b'{"consent": {"categoryPreferences": {"Advertising": false}}}')
    project.run()
    assert [row[:3] for row in rows(shop)] == [(f"a{n}", "ads", False) for n in range(3)]


def test_nothing_acknowledged_is_lost_though_nobody_lives_to_project_it(shop):
    take(shop, message({"ads": False}), project_now=False)
    assert not Consent.objects.exists()
    assert Event.objects.of(shop).get().context == {"consent": {"ads": False}}
    project.run()
    assert [row[:3] for row in rows(shop)] == [("a1", "ads", False)]
    # The same batch once more, as after a death between its rows and its mark.
    IngestBatch.objects.of(shop).update(projected_at=None)
    project.run()
    assert len(rows(shop)) == 1


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_last_answer_is_the_same_in_whatever_order_events_come(answers, draw):
    shop = ShopFactory()
    words = [message({"ads": granted}, minute) for minute, granted in enumerate(answers)]
    draw.shuffle(words)
    for word in words:
        take(shop, word)
    assert consent.of(shop, anonymous_id="a1")[Purpose.ADS] is answers[-1]


def test_of_two_answers_at_one_instant_the_refusal_counts_in_either_order():
    for order in itertools.permutations((True, False)):
        for at_once in (True, False):
            shop = ShopFactory()
            words = [message({"ads": granted}) for granted in order]
            for each in [words] if at_once else [[word] for word in words]:
                take(shop, *each)
            assert consent.of(shop, anonymous_id="a1")[Purpose.ADS] is False, (order, at_once)


def test_a_device_speaks_for_the_customer_proven_on_it(shop):
    take(shop, message({"ads": True}, userId="c1"), trusted=True)
    customer = Customer.objects.of(shop).get(external_id="c1")
    assert [row[:3] for row in rows(shop)] == [("a1", "ads", True)]
    assert consent.of(shop, customer=customer)[Purpose.ADS] is True
    # A server that names no device speaks for the customer itself.
    take(shop, message({"ads": False}, 5, userId="c1", anonymousId=""), trusted=True)
    assert Consent.objects.of(shop).get(customer=customer).granted is False
    assert consent.of(shop, customer=customer)[Purpose.ADS] is False


def test_a_browser_s_word_for_a_customer_it_merely_names_is_none(shop):
    take(shop, message({"ads": True}, userId="c1", anonymousId=""))
    assert rows(shop) == []


def test_what_another_door_wrote_stands_until_the_device_changes_its_mind(shop):
    take(shop, message({"ads": True}))
    consent.record(shop, anonymous_id="a1", purpose="ads", granted=False, at=T0 + timedelta(minutes=5), source="api")
    take(shop, message({"ads": True}, 10))
    assert consent.of(shop, anonymous_id="a1")[Purpose.ADS] is False
    take(shop, message({"ads": False}, 20), message({"ads": True}, 21))
    assert consent.of(shop, anonymous_id="a1")[Purpose.ADS] is True


def test_consent_is_not_taken_for_personal_data_and_brings_none_in(shop):
    take(shop, message({"categoryPreferences": {"ads": True, "ada@shop.example": True}, "email": "ada@shop.example"}))
    assert Event.objects.of(shop).get().context == {"consent": {"ads": True}}


def test_nothing_is_recorded_of_who_was_erased(shop):
    take(shop, message({"ads": False}, userId="c1"), trusted=True)
    take(shop, message({"analytics": False}, 1), project_now=False)
    erase(shop, "c1")
    kept = set(Consent.objects.of(shop).values_list("pk", flat=True))  # the proof, without the person
    take(shop, message({"analytics": False}, 2))
    refresher.poll()
    take(shop, message({"analytics": False}, 2), message({"ads": True}, 3, userId="c1", anonymousId="new"))
    take(shop, message({"ads": True}, 4, userId="c1", anonymousId=""), trusted=True)
    assert set(Consent.objects.of(shop).values_list("pk", flat=True)) == kept
    assert not Consent.objects.of(shop).filter(anonymous_id="a1").exists()


# --- what follows at the door -----------------------------------------------------------------------------


def look(shop, who, said, django_capture, **fields):
    with django_capture(execute=True):
        take(shop, message(said, anonymousId=who, **fields))


def test_a_visit_is_not_remembered_without_consent(shop, django_capture_on_commit_callbacks):
    ProductFactory(shop=shop, external_id="p1")
    look(shop, "v", None, django_capture_on_commit_callbacks)
    assert visitors.recent(shop.pk, anonymous_id="v")
    look(shop, "v", {"personalisation": False}, django_capture_on_commit_callbacks)
    assert not visitors.recent(shop.pk, anonymous_id="v")  # nor what was remembered before
    refresher.poll()
    look(shop, "v", None, django_capture_on_commit_callbacks)
    assert not visitors.recent(shop.pk, anonymous_id="v")
    look(shop, "w", None, django_capture_on_commit_callbacks)
    assert visitors.recent(shop.pk, anonymous_id="w")


def test_who_does_not_want_to_be_counted_is_no_visitor_but_their_events_are_there(shop):
    take(shop, message({"analytics": False}), message(None, anonymousId="w"))
    refresher.poll()
    take(shop, message(None, 1))
    figures = dict(DailyMetric.objects.of(shop).filter(dimension="").values_list("name", "value"))
    assert (figures["visitors"], figures["events"]) == (1, 3)
    assert Event.objects.of(shop).count() == 3
