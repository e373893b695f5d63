"""What came of decisions: counted once, without bots and staff, from marks that no late commit slips under."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from commerce_ai.decisions import attribution, marks, tasks
from commerce_ai.decisions.models import Decision, Heard, Outcome
from commerce_ai.decisions.rules import Rules, save_rules
from commerce_ai.ids import uuid7
from commerce_ai.shop.models import DailyMetric, Shop
from tests.decisions.outcome_facts import NOW, Facts
from tests.factories import CustomerFactory, IdentityFactory


@pytest.fixture
def facts(db: None) -> Facts:
    return Facts(Shop.objects.create(slug="north", name="North", currency="EUR", timezone="Asia/Tokyo"))


def test_products_are_counted_once_and_a_list_as_one(facts: Facts) -> None:
    chosen = facts.decision("A", "B")
    facts.write(
        facts.touch("Product List Viewed", chosen),
        facts.touch("Product List Viewed", chosen),
        facts.touch("Product Clicked", chosen, product="A"),
        facts.touch("Product Viewed", chosen, product="A"),
        facts.touch("Product Viewed", chosen, product="B"),
        facts.touch("Product Added", chosen, product="B"),
        facts.touch("Checkout Started", chosen),
    )
    facts.count()
    found = facts.outcome(chosen)
    assert (found.impressions, found.clicks, found.carts, found.purchases) == (1, 2, 1, 0)
    assert (found.plugin, found.kind, found.made_at) == ("recommendation", "list", Decision(id=chosen).made_at)


def test_bots_and_staff_are_left_out_and_counted(facts: Facts) -> None:
    save_rules(facts.shop, Rules(bot_touches_a_day=3, staff_domains=("shop.example",)))
    chosen = facts.decision("A", "B")
    tagged = CustomerFactory(shop=facts.shop, attributes={"tags": ["staff"]})
    mailed = CustomerFactory(shop=facts.shop, email="Someone@Shop.example")
    IdentityFactory(shop=facts.shop, customer=mailed, anonymous_id="desk")
    crawler = {"user_agent": "Mozilla/5.0 (compatible; Crawler/2.1; +http://crawl.example)"}
    facts.write(
        facts.touch("Product Clicked", chosen, "v", product="A"),
        facts.touch("Product Clicked", chosen, "c", product="B", context=crawler),
        facts.touch("Product Clicked", chosen, "t", product="B", customer_id=tagged.pk),
        facts.touch("Product Clicked", chosen, "desk", product="B"),
        *(facts.touch("Product Clicked", chosen, "busy", product="B") for _ in range(3)),
    )
    facts.order("staff", ("A", 1, "10"), who="", customer=tagged)
    facts.order("crawler", ("B", 1, "10"), who="c")
    facts.count()
    found = facts.outcome(chosen)
    assert (found.clicks, found.bots, found.staff, found.purchases) == (2, 1, 2, 0)
    # One more, in another run, and the whole day is a program's.
    facts.order("busy", ("B", 1, "10"), who="busy")
    facts.count()
    assert facts.outcome(chosen).purchases == 1
    facts.write(facts.touch("Product Clicked", facts.decision("A"), "busy", product="B"))
    facts.count()
    found = facts.outcome(chosen)
    assert (found.clicks, found.bots, found.staff, found.purchases) == (1, 4, 2, 0)


def test_days_add_up_by_plugin_and_follow_what_is_taken_back(facts: Facts) -> None:
    clicked, seen, other = facts.decision("A"), facts.decision("A"), facts.decision("A", plugin="advertising")
    facts.write(
        facts.touch("Product List Viewed", clicked),
        facts.touch("Product Clicked", clicked, product="A"),
        facts.touch("Product List Viewed", seen),
        facts.touch("Promotion Viewed", other),
    )
    order = facts.order("1", ("A", 1, "10"))
    facts.count()

    def figures() -> dict[tuple[str, str], float]:
        rows = DailyMetric.objects.of(facts.shop)
        return {(each.name, each.dimension): each.value for each in rows}

    found = figures()
    assert found["decision_impressions", "recommendation"] == 2
    assert found["decision_clicks", "recommendation"] == 1
    assert found["decision_click_through", "recommendation"] == 0.5
    assert found["decision_click_through", "advertising"] == 0
    assert found["influenced_revenue", "recommendation"] == 10
    day = DailyMetric.objects.of(facts.shop).get(name="influenced_orders").day
    assert day == order.placed_at.astimezone(facts.shop.tz).date()
    order.status = "refunded"
    order.save()
    facts.count()
    assert not [name for name, _of in figures() if name.startswith("influenced")]


def test_an_event_before_its_decision_waits_for_it(facts: Facts) -> None:
    late, never = uuid7(), uuid7()
    facts.write(*(facts.touch("Product Clicked", each, product="A") for each in (late, never)))
    facts.order("1", ("A", 1, "10"))
    attribution.run(facts.shop)
    assert not Outcome.objects.of(facts.shop).exists() and marks.waiting(facts.shop.pk) == 2
    facts.decision("A", id=late)
    attribution.run(facts.shop)
    assert facts.outcome(late).purchases == 1


def test_the_job_counts_every_shop_and_looks_at_recent_days_again(facts: Facts) -> None:
    other = Facts(Shop.objects.create(slug="south", name="South"))
    chosen, theirs = facts.decision("A"), other.decision("A")
    for each, decision in ((facts, chosen), (other, theirs)):
        each.write(each.touch("Product Clicked", decision, product="A"))
    assert tasks.attribute() > 0
    assert facts.outcome(chosen).clicks == other.outcome(theirs).clicks == 1
    assert tasks.attribute() == 0
    Outcome.objects.of(facts.shop).update(clicks=7)
    tasks.recount()
    tasks.attribute()
    assert facts.outcome(chosen).clicks == 1


def test_a_shop_that_can_not_be_counted_keeps_no_other_from_it(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Facts(Shop.objects.create(slug="south", name="South"))
    for each in (facts, other):
        each.write(each.touch("Product Clicked", each.decision("A"), product="A"))
    run = attribution.run

    def broken_in_the_north(shop: Shop, *, until: float | None = None) -> int:
        if shop == facts.shop:
            raise RuntimeError("broken")
        return run(shop, until=until)

    monkeypatch.setattr(attribution, "run", broken_in_the_north)
    assert tasks.attribute() > 0
    assert marks.waiting(other.shop.pk) == 0 < marks.waiting(facts.shop.pk)


@pytest.mark.django_db(transaction=True)
def test_what_commits_late_is_counted_late() -> None:
    """A transaction that began, and made its ids, before another that commits first: nothing is skipped."""
    facts = Facts(Shop.objects.create(slug="north", name="North", currency="EUR"))
    first, second = facts.decision("A"), facts.decision("A")
    early = facts.touch("Product Clicked", first, product="A")
    written, counted = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            facts.write(early)
            written.set()
            counted.wait(20)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(20)
    facts.write(facts.touch("Product Clicked", second, product="A"))
    attribution.run(facts.shop)
    assert [each.pk for each in Outcome.objects.of(facts.shop)] == [second]
    counted.set()
    thread.join()
    attribution.run(facts.shop)
    assert {each.pk for each in Outcome.objects.of(facts.shop)} == {first, second}


@pytest.mark.django_db(transaction=True)
def test_one_process_at_a_time_and_a_death_leaves_the_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Facts(Shop.objects.create(slug="north", name="North", currency="EUR"))
    chosen = facts.decision("A")
    facts.write(facts.touch("Product Clicked", chosen, product="A", occurred_at=NOW))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            assert marks.alone(facts.shop.pk)
            held.set()
            done.wait(20)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    assert attribution.run(facts.shop) == 0
    done.set()
    thread.join()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(attribution.bots, "find_busy", lambda *_: (_ for _ in ()).throw(RuntimeError("died")))
        attribution.run(facts.shop)
    assert Heard.objects.of(facts.shop).count() == 1
    attribution.run(facts.shop)
    assert facts.outcome(chosen).clicks == 1
