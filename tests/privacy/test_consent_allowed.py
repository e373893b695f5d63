"""`consent.allows`: warm, the same as the table says, whatever was said first and whoever is asked about."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.api.callers import Subject
from commerce_ai.decisions.models import Decision
from commerce_ai.ingest import project, visitors
from commerce_ai.ingest.tracking import accept
from commerce_ai.shop import allowed, consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Identity, Shop
from commerce_ai.shop.revision import bump, refresher
from plugins.recommendation.answers import Request
from plugins.recommendation.service import recommend
from tests.factories import CustomerFactory, IdentityFactory, ProductFactory, ShopFactory

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 2, 10, 12, tzinfo=UTC)


@pytest.fixture
def shop():
    return ShopFactory()


def say(shop, granted, *, days=0, purpose="personalisation", **who):
    consent.record(shop, purpose=purpose, granted=granted, at=T0 + timedelta(days=days), source="test", **who)


def may(shop, purpose=Purpose.PERSONALISATION, **who):
    return consent.allows(shop.pk, purpose, **who)


def test_silence_is_what_the_shop_says_it_is(shop):
    assert may(shop, anonymous_id="v") and may(shop)
    consent.set_silences(shop, {"personalisation": "opt_in"})
    refresher.poll()
    assert not may(shop, anonymous_id="v") and not may(shop)
    assert may(shop, Purpose.ADS, anonymous_id="v")
    say(shop, True, anonymous_id="v")
    refresher.poll()
    assert may(shop, anonymous_id="v") and not may(shop, anonymous_id="w")
    assert may(ShopFactory(), anonymous_id="w")


@pytest.mark.parametrize("given", [{"everything": "opt_in"}, {"ads": "perhaps"}, {"ads": True}])
def test_a_shop_s_word_about_silence_is_checked(shop, given):
    with pytest.raises(ValueError, match="there are|one of"):
        consent.set_silences(shop, given)
    shop.refresh_from_db()
    assert shop.settings == {}


def test_purposes_that_are_not_named_keep_their_meaning(shop):
    consent.set_silences(shop, {"ads": "opt_in"})
    consent.set_silences(Shop.objects.get(pk=shop.pk), {"analytics": "opt_in"})
    shop.refresh_from_db()
    assert [each.value for each in consent.silences_of(shop.settings).values()] == [
        "opt_in", "opt_out", "opt_in", "opt_out",
    ]  # fmt: skip


def test_a_refusal_holds_by_every_name_of_the_person(shop):
    customer = CustomerFactory(shop=shop)
    assert may(shop, customer_id=customer.pk)
    say(shop, False, customer=customer)
    refresher.poll()
    for who in ({"customer_id": customer.pk}, {"customer_external_id": customer.external_id}):
        assert not may(shop, **who) and not may(shop, anonymous_id="never seen", **who)
        assert may(shop, Purpose.ADS, **who)
    IdentityFactory(shop=shop, anonymous_id="theirs", customer=customer, proven=False)
    say(shop, True, purpose="ads", customer=customer)  # whatever wakes the process up
    refresher.poll()
    assert not may(shop, anonymous_id="theirs")


def test_a_refusal_holds_on_the_device_that_the_person_signs_in_with_next(shop):
    customer = CustomerFactory(shop=shop)
    say(shop, False, customer=customer)
    refresher.poll()
    assert may(shop, anonymous_id="new phone")
    event = {"type": "track", "event": "Product Viewed", "messageId": "m1", "anonymousId": "new phone",
             "userId": customer.external_id, "properties": {"product_id": "p1"}}  # fmt: skip
    accept(shop.pk, [json.dumps(event).encode()], trusted=True)
    project.run()
    refresher.poll()
    assert not may(shop, anonymous_id="new phone"), "no other word had to wake the process up"


def test_warm_nothing_is_read_from_postgres(shop):
    say(shop, False, anonymous_id="v")
    may(shop)
    with CaptureQueriesContext(connection, ) as queries:  # fmt: skip
        assert not may(shop, anonymous_id="v", customer_external_id="c", customer_id=7)
    assert not queries.captured_queries


def test_people_are_told_apart_from_devices_of_the_same_name(shop):
    customer = CustomerFactory(shop=shop, external_id="7")
    say(shop, False, anonymous_id="7")
    assert may(shop, customer_external_id="7") and may(shop, customer_id=7) and not may(shop, anonymous_id="7")
    assert may(shop, customer_id=customer.pk)


WORD = st.tuples(
    st.integers(0, 5), st.booleans(), st.integers(0, 4), st.sampled_from(["personalisation", "ads"]), st.booleans()
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORD, min_size=1, max_size=14), st.booleans())
def test_it_agrees_with_the_table_however_it_was_read(words, asks_first):
    """Some words are there when the process starts, the others come while it is warm; ties between them too."""
    shop = ShopFactory()
    people = CustomerFactory.create_batch(2, shop=shop)
    devices = ["d0", "d1", "d2"]
    if asks_first:
        consent.set_silences(shop, {"ads": "opt_in"})
    for place, (who, granted, day, purpose, later) in enumerate(words):
        if later:
            may(shop)  # the process is warm from here on
        if place % 3 == 2:
            device = devices[day % 3]
            Identity.objects.get_or_create(
                shop=shop, anonymous_id=device, proven=granted, defaults={"customer": people[place % 2], "at": T0}
            )
            bump(consent.TOPIC, shop)  # as whoever ties people does
        person = {"customer": people[who]} if who < 2 else {"anonymous_id": devices[who % 3]}
        say(shop, granted, days=day, purpose=purpose, **person)
        if later:
            refresher.poll()
    refresher.poll()
    for purpose in Purpose:
        silent = not (asks_first and purpose == Purpose.ADS)

        def means(said, silent=silent):
            return silent if said is None else said

        for each in people:
            said = means(consent.of(shop, customer=each)[purpose])
            assert may(shop, purpose, customer_id=each.pk) is said
            assert may(shop, purpose, customer_external_id=each.external_id) is said
        for each in devices:
            assert may(shop, purpose, anonymous_id=each) is means(consent.of(shop, anonymous_id=each)[purpose])


def test_what_came_later_is_let_go_when_all_is_read_anew(shop, monkeypatch):
    may(shop)
    monkeypatch.setattr(allowed, "_MOST_LATER", 5)
    for number in range(8):
        say(shop, False, anonymous_id=f"v{number}")
        refresher.poll()
    held = allowed._answers.get(shop.pk)
    assert held.bytes >= 8 * 6 and len(held.later) <= 5
    assert not any(may(shop, anonymous_id=f"v{number}") for number in range(8))


# --- in answers -------------------------------------------------------------------------------------------


def visited(shop, who):
    product = ProductFactory(shop=shop)
    ProductFactory.create_batch(2, shop=shop)
    assert visitors.remember(shop.pk, [visitors.Visit("Product Viewed", product.pk, T0, anonymous_id=who)])


def test_without_consent_an_answer_looks_at_no_history_and_does_not_say_so(shop):
    visited(shop, "v")
    subject = Subject(anonymous_id="v")
    assert recommend(shop.pk, subject, Request()).personal
    say(shop, False, anonymous_id="v")
    refresher.poll()
    answer, stranger = recommend(shop.pk, subject, Request()), recommend(shop.pk, Subject(), Request())
    assert not answer.personal and not stranger.personal
    assert [each.reason for each in answer.items] == [each.reason for each in stranger.items]
    kept = Decision.objects.get(pk=answer.decision_id)
    assert (kept.customer_id, kept.anonymous_id) == (None, "v")


def test_without_consent_to_analytics_a_decision_names_nobody(shop):
    visited(shop, "v")
    say(shop, False, anonymous_id="v", purpose="analytics")
    answer = recommend(shop.pk, Subject(anonymous_id="v", session_id="s"), Request())
    kept = Decision.objects.get(pk=answer.decision_id)
    assert (kept.customer_id, kept.anonymous_id or "", kept.session_id or "") == (None, "", "")
