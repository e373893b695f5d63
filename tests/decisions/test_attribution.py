"""Who is credited with an order line: the last click, else the last view, else a touch of the same session."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.decisions.models import Credit, Outcome
from commerce_ai.decisions.rules import BadRule, Rules, rules_of, save_rules
from commerce_ai.ids import uuid7
from commerce_ai.shop.models import Identity, Order, OrderLine, Refund, Return, Shop
from tests.decisions.outcome_facts import HOUR, NOW, Facts
from tests.factories import CustomerFactory, IdentityFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def facts() -> Facts:
    return Facts(Shop.objects.create(slug="north", name="North", currency="EUR"))


def credited(facts: Facts) -> dict[object, tuple[str, Decimal]]:
    return {each.decision_id: (each.way, each.revenue) for each in Credit.objects.of(facts.shop)}


def test_the_last_click_takes_the_line_and_a_view_only_without_one(facts: Facts) -> None:
    first, last, seen = (facts.decision("A", "B") for _ in range(3))
    facts.write(
        facts.touch("Product Clicked", first, hours=-5, product="A"),
        facts.touch("Product Clicked", last, hours=-3, product="A"),
        facts.touch("Product List Viewed", seen, hours=-1),
    )
    facts.order("1", ("A", 2, "10"), ("B", 1, "7"))
    facts.count()
    assert credited(facts) == {last: ("click", Decimal(20)), seen: ("view", Decimal(7))}
    assert (facts.outcome(first).clicks, facts.outcome(first).purchases) == (1, 0)
    assert (facts.outcome(last).purchases, facts.outcome(last).revenue) == (1, 20)


def test_windows_and_products_bound_what_counts(facts: Facts) -> None:
    old, stale, other, after = (facts.decision("A") for _ in range(4))
    facts.write(
        facts.touch("Product Clicked", old, hours=-24 * 7 - 1, product="A"),
        facts.touch("Product List Viewed", stale, hours=-25),
        facts.touch("Product Clicked", other, product="B"),
        facts.touch("Product Clicked", after, hours=1, product="A"),
    )
    facts.order("1", ("A", 1, "10"))
    facts.count()
    assert credited(facts) == {}
    save_rules(facts.shop, Rules(click_days=8))
    facts.count()
    assert credited(facts) == {old: ("click", Decimal(10))}
    save_rules(facts.shop, Rules(click_days=0, view_hours=48))
    facts.count()
    assert credited(facts) == {stale: ("view", Decimal(10))}


def test_the_session_of_the_order_counts_where_nothing_else_does(facts: Facts) -> None:
    save_rules(facts.shop, Rules(click_days=0, view_hours=0))
    same, another = facts.decision("A"), facts.decision("A")
    facts.order("1", ("A", 1, "10"))
    facts.write(
        facts.touch("Product List Viewed", same, hours=-2, session_id="s1"),
        facts.touch("Product List Viewed", another, hours=-1, session_id="s0"),
        facts.touch("Order Completed", None, hours=0, session_id="s1"),
    )
    facts.count()
    assert credited(facts) == {same: ("session", Decimal(10))}


@pytest.mark.parametrize("order_first", [True, False])
def test_the_session_is_that_of_the_event_that_names_the_order_even_a_little_later(
    facts: Facts, order_first: bool
) -> None:
    """A shop's server says when the order was placed; the page that thanks for it sends its event seconds after."""
    save_rules(facts.shop, Rules(click_days=0, view_hours=0))
    same, another = facts.decision("A"), facts.decision("A")
    events = (
        facts.touch("Product List Viewed", same, hours=-2, session_id="s1"),
        facts.touch("Product List Viewed", another, hours=-1, session_id="s0"),
        facts.touch("Order Completed", None, hours=-0.5, session_id="s0", properties={"order_id": "0"}),
        facts.touch("Order Completed", None, hours=0.001, session_id="s1", properties={"order_id": "1"}),
    )
    if not order_first:
        facts.write(*events)
        facts.count()
    facts.order("1", ("A", 1, "10"))
    facts.count()
    facts.write(*events)
    facts.count()
    assert credited(facts) == {same: ("session", Decimal(10))}


def test_plugins_share_a_line_once(facts: Facts) -> None:
    shown, banner = facts.decision("A"), facts.decision(plugin="advertising")
    facts.write(
        facts.touch("Product Clicked", shown, hours=-3, product="A"),
        facts.touch("Promotion Clicked", banner, hours=-2),
    )
    facts.order("1", ("A", 1, "10.0001"))
    facts.count()
    assert credited(facts) == {shown: ("click", Decimal("5.0000")), banner: ("click", Decimal("5.0001"))}
    save_rules(facts.shop, Rules(sharing="last"))
    facts.count()
    assert credited(facts) == {banner: ("click", Decimal("10.0001"))}


def test_a_visit_counts_for_the_customer_it_turned_out_to_be_even_afterwards(facts: Facts) -> None:
    chosen, customer = facts.decision("A"), CustomerFactory(shop=facts.shop)
    facts.write(facts.touch("Product Clicked", chosen, "phone", product="A"))
    facts.order("1", ("A", 1, "10"), who="", customer=customer)
    facts.count()
    assert credited(facts) == {}
    IdentityFactory(shop=facts.shop, customer=customer, anonymous_id="phone")
    facts.count()
    assert credited(facts) == {chosen: ("click", Decimal(10))}
    assert Identity.objects.of(facts.shop).count() == 1


def test_a_device_that_turns_out_to_be_anothers_is_taken_from_who_had_it(facts: Facts) -> None:
    chosen, first, second = facts.decision("A"), CustomerFactory(shop=facts.shop), CustomerFactory(shop=facts.shop)
    tie = IdentityFactory(shop=facts.shop, customer=first, anonymous_id="phone", proven=True)
    IdentityFactory(shop=facts.shop, customer=first, anonymous_id="desk", proven=True)
    facts.write(facts.touch("Product Clicked", chosen, "phone", product="A"))
    facts.order("1", ("A", 1, "10"), who="", customer=first)
    facts.order("2", ("A", 1, "10"), who="desk")
    facts.count()
    assert facts.outcome(chosen).purchases == 2
    tie.customer = second
    tie.save()
    facts.count()
    assert credited(facts) == {} and facts.outcome(chosen).purchases == 0


def test_what_comes_back_is_taken_back(facts: Facts) -> None:
    facts.product("A", cost="4")
    chosen = facts.decision("A", "B")
    facts.write(*(facts.touch("Product Clicked", chosen, product=each) for each in "AB"))
    order = facts.order("1", ("A", 2, "10"), ("B", 1, "30"))

    def money() -> tuple[Decimal, Decimal, int]:
        facts.count()
        found = facts.outcome(chosen)
        return found.revenue, found.margin, found.purchases

    assert money() == (50, 12, 1)  # the cost of B is not known
    line = OrderLine.objects.of(facts.shop).get(order=order, sku="A")
    returned = Return.objects.create(shop=facts.shop, external_id="r", order_line=line, quantity=1)
    assert money() == (40, 6, 1)
    refund = Refund.objects.create(shop=facts.shop, external_id="f", order=order, amount=10, currency="EUR")
    assert money() == (40, 6, 1)  # the money of what came back
    refund.amount = 30
    refund.save()
    assert money() == (20, 1, 1)
    refund.delete()
    returned.delete()
    assert money() == (50, 12, 1)
    Order.objects.of(facts.shop).update(status="cancelled")
    assert money() == (0, 0, 0)
    Order.objects.of(facts.shop).all().delete()
    assert money() == (0, 0, 0)


def test_a_return_that_names_no_line_is_taken_back_whole_though_its_product_stands_on_two(facts: Facts) -> None:
    chosen = facts.decision("A")
    facts.write(facts.touch("Product Clicked", chosen, product="A"))
    order = facts.order("1", ("A", 2, "10"), ("A", 2, "8"))
    Return.objects.create(shop=facts.shop, external_id="r", order=order, product=facts.product("A"), quantity=3)
    facts.count()
    assert facts.outcome(chosen).revenue == 36 - 20 - 8


def test_lines_never_bring_more_than_was_paid(facts: Facts) -> None:
    chosen = facts.decision("A", "B")
    facts.write(*(facts.touch("Product Clicked", chosen, product=each) for each in "AB"))
    facts.order("1", ("A", 1, "10"), ("B", 1, "30"), total=Decimal(25), shipping=Decimal(5))
    facts.order("2", ("A", 1, "10"), currency="USD")
    facts.count()
    assert (facts.outcome(chosen).revenue, facts.outcome(chosen).purchases) == (20, 2)


def test_another_shops_decision_is_owed_nothing(facts: Facts) -> None:
    there = Facts(Shop.objects.create(slug="south", name="South", currency="EUR"))
    foreign = there.decision("A")
    facts.write(facts.touch("Product Clicked", foreign, product="A"))
    facts.order("1", ("A", 1, "10"))
    facts.count()
    assert credited(facts) == {} and not Outcome.objects.of(facts.shop).exists()


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_happens_in_whatever_order_no_line_is_shared_twice(facts: Facts, data: st.DataObject) -> None:
    shop = Shop.objects.create(slug=f"s{Shop.objects.count()}", name="S", currency="EUR")
    made = Facts(shop)
    plugins = ("recommendation", "advertising", "pricing")
    decisions = [made.decision("A", "B", plugin=plugins[n % 3]) for n in range(4)]
    names = st.sampled_from(["Product Clicked", "Product List Viewed", "Product Added", "Promotion Clicked"])
    touches = data.draw(st.lists(st.tuples(names, st.integers(0, 3), st.integers(-200, 5), st.sampled_from("AB ")),
                                 max_size=12))  # fmt: skip
    events = [
        made.touch(name, decisions[which], hours=hours, product=product.strip(), session_id="s1")
        for name, which, hours, product in touches
    ]
    cents = st.decimals(0, 99, places=4, allow_nan=False)
    lines = data.draw(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 3), cents.map(str)), min_size=1,
                               max_size=3))  # fmt: skip
    late = data.draw(st.integers(0, len(events)))
    made.write(*events[:late])
    if data.draw(st.booleans()):
        made.count()
    order = made.order("1", *lines)
    back = data.draw(st.one_of(st.none(), st.decimals(0, 50, places=2)))
    if back is not None:
        Refund.objects.create(shop=shop, external_id="f", order=order, amount=back, currency="EUR")
    made.write(*events[late:])
    made.count()
    once = made.result()
    worth = {each.pk: each.quantity * each.unit_price for each in OrderLine.objects.of(shop)}
    for pk, whole in worth.items():
        assert 0 <= sum(each.revenue for each in Credit.objects.of(shop).filter(line_id=pk)) <= whole
    assert sum(each.revenue for each in Credit.objects.of(shop)) <= max(order.total - (back or 0), 0)
    # Again, all of it, in another order and one by one: the same rows.
    random.Random(1).shuffle(events)  # noqa: S311
    made.write(*events)
    made.count()
    Outcome.objects.of(shop).all().delete()
    Credit.objects.of(shop).all().delete()
    from commerce_ai.decisions.marks import recount

    recount(shop)
    made.count()
    assert made.result() == once


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_same_facts_late_doubled_and_shuffled_come_to_the_same(facts: Facts, data: st.DataObject) -> None:
    names = st.sampled_from(["Product Clicked", "Product List Viewed", "Product Added", "Promotion Clicked"])
    touches = data.draw(st.lists(st.tuples(names, st.integers(0, 3), st.integers(-200, 5), st.sampled_from("AB "),
                                           st.sampled_from(["v", "w"]), st.sampled_from(["s1", "s2"])), max_size=10))  # fmt: skip
    orders = data.draw(st.lists(st.tuples(
        st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 3), st.sampled_from(["7", "9.9999", "0"])), min_size=1,
                 max_size=2),
        st.booleans(), st.sampled_from([None, "refund", "return", "cancel", "session"])), min_size=1, max_size=2))  # fmt: skip
    known, seed = data.draw(st.booleans()), data.draw(st.integers(0, 1000))
    assert told(touches, orders, known, None) == told(touches, orders, known, seed)


def told(touches: list[Any], orders: list[Any], known: bool, seed: int | None) -> tuple[list[Any], list[Any]]:
    """What these facts come to in a shop of their own, one after another, or by `seed` shuffled, twice and counted in
    between."""
    made = Facts(Shop.objects.create(slug=f"s{Shop.objects.count()}", name="S", currency="EUR"))
    made.product("A", cost="3")
    customer = CustomerFactory(shop=made.shop)
    plugins = ("recommendation", "advertising", "pricing", "recommendation")
    decisions = [
        made.decision("A", "B", plugin=plugin, id=uuid7(NOW - (72 - n) * HOUR)) for n, plugin in enumerate(plugins)
    ]
    events = [
        made.touch(name, decisions[which], who, hours=hours, product=product.strip(), session_id=session)
        for name, which, hours, product, who, session in touches
    ]
    steps: list[Callable[[], Any]] = [partial(made.write, each) for each in events]
    if known:
        steps.append(partial(IdentityFactory, shop=made.shop, customer=customer, anonymous_id="w"))
    for number, (lines, theirs, then) in enumerate(orders):
        steps.append(partial(placed, made, str(number), lines, customer if theirs else None, then))
    if seed is not None:
        shuffled = random.Random(seed)  # noqa: S311
        steps += [partial(made.write, each) for each in events]
        shuffled.shuffle(steps)
        steps = [each for step in steps for each in ((step, made.count) if shuffled.random() < 0.15 else (step,))]
    for step in steps:
        step()
    made.count()
    outcomes, credits = made.result()
    lines_of = dict(OrderLine.objects.of(made.shop).values_list("pk", "position"))
    names = dict(OrderLine.objects.of(made.shop).values_list("pk", "order__external_id"))
    return (
        [(decisions.index(pk), *rest) for pk, *rest in outcomes],
        sorted((names[line], lines_of[line], decisions.index(pk), *rest) for line, pk, *rest in credits),
    )


def placed(made: Facts, name: str, lines: list[Any], customer: Any, then: str | None) -> None:
    """An order, and what becomes of it."""
    order = made.order(name, *lines, who="" if customer else "v", customer=customer)
    if then == "refund":
        Refund.objects.create(shop=made.shop, external_id=name, order=order, amount=5, currency="EUR")
    if then == "return":
        line = OrderLine.objects.of(made.shop).filter(order=order).first()
        Return.objects.create(shop=made.shop, external_id=name, order_line=line, quantity=1)
    if then == "cancel":
        Order.objects.of(made.shop).filter(pk=order.pk).update(status="cancelled")
    if then == "session":
        made.write(made.touch("Order Completed", None, hours=0.01, session_id="s2", properties={"order_id": name}))


def test_rules_are_checked_and_survive_their_setting(facts: Facts) -> None:
    for wrong in ({"click_days": -1}, {"sharing": "most"}, {"clicks": ("",)}, {"carts": ("Product Clicked",)},
                  {"staff_domains": ("nobody",)}, {"same_session": 1}):  # fmt: skip
        with pytest.raises(BadRule) as refused:
            Rules(**wrong)  # type: ignore[arg-type]
        assert str(refused.value)
    rules = Rules(click_days=3, staff_domains=("shop.example",))
    assert save_rules(facts.shop, rules) and not save_rules(facts.shop, rules)
    facts.shop.refresh_from_db()
    assert rules_of(facts.shop) == rules
    facts.shop.settings["attribution"] |= {"click_days": "many", "unknown": 1}
    assert rules_of(facts.shop) == Rules(staff_domains=("shop.example",))


def test_names_that_moved_from_one_list_to_another_are_read_as_they_were_saved(facts: Facts) -> None:
    rules = Rules(impressions=("Product Viewed",), clicks=("Product Added",), carts=("Cart Viewed",))
    assert save_rules(facts.shop, rules)
    facts.shop.refresh_from_db()
    assert rules_of(facts.shop) == rules and not save_rules(facts.shop, rules)
