"""Who comes back, what follows what, and the page of one customer."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from commerce_ai import registry
from commerce_ai.console import behaviour
from commerce_ai.console.tasks import renew_behaviour
from commerce_ai.decisions.models import Decision
from commerce_ai.ids import uuid7
from commerce_ai.shop import partitions
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Consent, Event, Shop
from commerce_ai.shop.revision import refresher
from plugins.advertising.models import UpliftScore
from plugins.fraud.models import Case
from tests.factories import (
    CampaignFactory,
    ConversationFactory,
    CustomerFactory,
    OrderFactory,
    ProductFactory,
    ReviewFactory,
)
from tests.plugin_factories import CaseFactory, JudgementFactory

pytestmark = pytest.mark.django_db
JUNE = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


def see(shop, customer, name, at, session="s"):
    partitions.ensure_months(at.date(), at.date())
    return Event.objects.create(
        id=uuid7(at), shop=shop, kind="track", name=name, message_id=uuid7().hex, anonymous_id=f"a-{customer.pk}",
        customer=customer, session_id=f"{session}-{customer.pk}", occurred_at=at, received_at=at,
    )  # fmt: skip


def test_cohorts_say_how_many_of_a_month_ordered_again(shop, other, owner):
    people = CustomerFactory.create_batch(12, shop=shop)
    for place, each in enumerate(people):
        OrderFactory(shop=shop, customer=each, placed_at=JUNE)
        if place < 6:
            OrderFactory(shop=shop, customer=each, placed_at=JUNE + timedelta(days=61))
    few = CustomerFactory.create_batch(3, shop=shop)  # too few to be shown
    for place, each in enumerate(few):  # in two months: beside one alone, the next smallest is left out as well
        OrderFactory(shop=shop, customer=each, placed_at=JUNE + timedelta(days=31 if place else -31))
    OrderFactory(shop=other, customer=CustomerFactory(shop=other), placed_at=JUNE)
    assert behaviour.retention(shop) == [behaviour.Cohort(JUNE.date().replace(day=1), 12, (0.0, 0.5))]
    page = owner.get(reverse("console:behaviour")).content.decode()
    assert "June 2026" in page and "50" in page and "July 2026" not in page


def test_paths_follow_visits_and_leave_small_groups_and_the_unwilling_out(shop, other, owner):
    for each in CustomerFactory.create_batch(11, shop=shop):
        see(shop, each, "Product Viewed", JUNE)
        see(shop, each, "Product Added", JUNE + timedelta(minutes=1))
    for name in ("Coupon Denied", "Coupon Removed"):
        see(shop, CustomerFactory(shop=shop), name, JUNE)
    unwilling = CustomerFactory(shop=shop)
    Consent.objects.create(shop=shop, customer=unwilling, purpose=Purpose.ANALYTICS, granted=False, source="test")
    see(shop, unwilling, "Product Viewed", JUNE)
    see(other, CustomerFactory(shop=other), "Product Viewed", JUNE)
    found = {each.name: each for each in behaviour.paths(shop)}
    assert set(found) == {"Product Viewed", "Product Added"}
    assert found["Product Viewed"] == behaviour.Step("Product Viewed", 11, (("Product Added", 1.0),))
    assert found["Product Added"].then == (("", 1.0),)
    page = owner.get(reverse("console:behaviour")).content.decode()
    assert "Product Added" in page and "Coupon Denied" not in page


def test_the_job_counts_before_anybody_asks(shop, owner):
    address = reverse("console:behaviour")
    owner.get(address)  # what nobody did is kept, too
    for each in CustomerFactory.create_batch(11, shop=shop):
        see(shop, each, "Product Viewed", JUNE)
        OrderFactory(shop=shop, customer=each, placed_at=JUNE)
    assert "Product Viewed" not in owner.get(address).content.decode()
    assert renew_behaviour() == Shop.objects.count()
    owner.get(address)  # warm: what is read once
    with CaptureQueriesContext(connection) as captured:
        page = owner.get(address).content.decode()
    assert "Product Viewed" in page and "June 2026" in page
    read = [each["sql"] for each in captured if "shop_event" in each["sql"] or "shop_order" in each["sql"]]
    assert not read


def test_an_empty_shop_says_the_next_step(shop, owner):
    page = owner.get(reverse("console:behaviour")).content.decode()
    assert "Too few customers yet" in page and "docs/integrating.md" in page


def test_a_customers_page_shows_path_orders_and_decisions(shop, owner):
    customer = CustomerFactory(shop=shop, external_id="c-1", email="ann@example.com", name="Ann Example")
    see(shop, customer, "Product Viewed", JUNE)
    order = OrderFactory(shop=shop, customer=customer, placed_at=JUNE)
    Decision.objects.create(shop=shop, customer_id=customer.pk, plugin="fraud", kind="score", payload={})
    page = owner.get(reverse("console:customer", args=[customer.pk])).content.decode()
    assert "Product Viewed" in page and order.external_id in page and "fraud · score" in page
    assert "ann@example.com" not in page and "Ann Example" not in page


def test_a_path_is_not_shown_against_a_customers_will(shop, owner):
    customer = CustomerFactory(shop=shop)
    see(shop, customer, "Product Viewed", JUNE)
    Consent.objects.create(shop=shop, customer=customer, purpose=Purpose.ANALYTICS, granted=False, source="test")
    page = owner.get(reverse("console:customer", args=[customer.pk])).content.decode()
    assert "Product Viewed" not in page and "refused analytics" in page


SAID = "Ann of Elm Street, ring twice"


def facts_of(shop, customer, name):
    """A row of each plugin about a customer, with words of theirs where it has any."""
    product = ProductFactory(shop=shop, title=f"Pot of {name}")
    review = ReviewFactory(shop=shop, customer=customer, product=product, title=SAID, text=SAID)
    JudgementFactory(shop=shop, kind="review", text_id=review.pk, product=product, label="negative", topics=["glaze"])
    CaseFactory(shop=shop, customer=customer, payment_external_id=f"pay-{name}", score=0.91)
    ConversationFactory(shop=shop, customer=customer, external_id=f"talk-{name}", subject=SAID)
    campaign = CampaignFactory(shop=shop, name=f"Spring of {name}")
    UpliftScore.objects.create(
        shop=shop, customer=customer, campaign=campaign, uplift=0.034, response=0.12, version_id=1, as_of=JUNE
    )


def test_a_customers_page_says_what_each_plugin_knows_and_where_from(shop, other, sign_in):
    customer, theirs = (CustomerFactory(shop=each, external_id="c-1") for each in (shop, other))
    facts_of(shop, customer, "garden")
    facts_of(other, theirs, "harbour")
    facts_of(shop, CustomerFactory(shop=shop), "neighbour")
    there = reverse("console:customer", args=[customer.pk])
    owner, analyst = sign_in("owner"), sign_in("analyst")
    assert "No plugin that knows customers is on" in owner.get(there).content.decode()
    for slug in ("advertising", "fraud", "sentiment", "support", "recommendation"):
        registry.switch(shop, slug, on=True)
    refresher.poll()
    for browser in (owner, analyst):
        page = html.unescape(browser.get(there).content.decode())
        for words in (
            "+3.4 percentage points", "12.0 % would order if left alone", "Spring of garden", "91 % likely fraud",
            "pay-garden", "Review of Pot of garden", "glaze", "talk-garden", "on the home page",
        ):  # fmt: skip
            assert words in page, words
        assert "-harbour" not in page and "-neighbour" not in page and SAID not in page
    case = Case.objects.of(shop).get(customer=customer)
    assert reverse("admin:fraud_case_change", args=[case.pk]) in page


def test_a_plugin_that_fails_takes_no_customers_page_with_it(shop, owner, monkeypatch):
    from plugins.fraud import person

    def fail(*_args):
        raise RuntimeError("the wheel came off")

    registry.switch(shop, "fraud", on=True)
    refresher.poll()
    monkeypatch.setattr(person, "known", fail)
    answer = owner.get(reverse("console:customer", args=[CustomerFactory(shop=shop).pk]))
    assert answer.status_code == 200 and "the wheel came off" in answer.content.decode()


def test_lists_that_name_a_customer_lead_to_their_page(shop, owner, sign_in):
    customer = CustomerFactory(shop=shop)
    OrderFactory(shop=shop, customer=customer)
    Decision.objects.create(shop=shop, customer_id=customer.pk, plugin="fraud", kind="score", payload={})
    there = f'href="{reverse("console:customer", args=[customer.pk])}"'
    for browser in (owner, sign_in("analyst")):
        for table in ("shop_order", "decisions_decision"):
            assert there in browser.get(reverse(f"admin:{table}_changelist")).content.decode(), table
        assert there in browser.get(reverse("admin:shop_customer_change", args=[customer.pk])).content.decode()
    file = b"".join(owner.get(reverse("admin:shop_order_changelist"), {"csv": "1"}).streaming_content).decode()
    assert customer.external_id in file and "href" not in file


def test_a_customer_of_another_shop_is_not_found(shop, other, sign_in):
    theirs = CustomerFactory(shop=other)
    for role in ("owner", "analyst"):
        browser = sign_in(role)
        assert browser.get(reverse("console:customer", args=[theirs.pk])).status_code == 404
        assert browser.get(reverse("console:behaviour")).status_code == 200
