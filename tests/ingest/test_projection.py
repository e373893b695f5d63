"""What follows from events: customers, ties, orders and figures, the same in whatever order they come."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.ids import uuid7
from commerce_ai.ingest import metrics, orders, project, tasks
from commerce_ai.ingest.models import DailyVisitor, IngestBatch, QuarantineRow
from commerce_ai.ingest.tracking import accept
from commerce_ai.shop import contact
from commerce_ai.shop.models import Customer, DailyMetric, Door, Identity, Order, OrderLine, Shop

NOW = datetime.now(UTC).replace(microsecond=0)


def take(shop: Shop, *messages: dict[str, Any], trusted: bool = True, each: bool = False) -> None:
    """Through the door, in one batch or `each` in its own."""
    raws = [json.dumps(message).encode() for message in messages]
    for batch in [[raw] for raw in raws] if each else [raws]:
        accepted = accept(shop.pk, batch, trusted=trusted)
        assert not accepted.rejected, accepted.rejected


def message(kind: str, minutes: float = 0, **fields: Any) -> dict[str, Any]:
    """A message of the day before yesterday noon (UTC) and `minutes`."""
    at = (NOW - timedelta(days=2)).replace(hour=12, minute=0, second=0) + timedelta(minutes=minutes)
    return {"type": kind, "timestamp": at.isoformat(), "messageId": str(uuid7()), **fields}


def order(name: str, minutes: float = 0, **properties: Any) -> dict[str, Any]:
    return message("track", minutes, event=name, userId="c1", properties={"order_id": "o1", **properties})


BOUGHT = {
    "total": 27.5, "revenue": 22, "shipping": 3, "tax": 2.5, "discount": 1, "currency": "EUR", "coupon": "SPRING",
    "products": [{"product_id": "p1", "name": "Mug 1", "price": 10, "quantity": 2}, {"sku": "x9", "price": "2.00"}],
}  # fmt: skip
DAY = (NOW - timedelta(days=2)).date()


def figures(shop: Shop) -> dict[tuple[date, str, str], float]:
    rows = DailyMetric.objects.of(shop).values_list("day", "name", "dimension", "value")
    return {(day, name, dimension): value for day, name, dimension, value in rows}


# --- people -----------------------------------------------------------------------------------------------


def test_identify_fills_the_customer(shop: Shop) -> None:
    traits = {
        "email": "Ada@Shop.example", "phone": "+49 170 1234567", "firstName": "Ada", "lastName": "Lovelace", "plan": "gold",
        "address": {"street": "12 St James Sq", "city": "London", "country": "gb"}, "birthday": "1985-12-10", "gender": "F",
    }  # fmt: skip
    take(shop, message("identify", userId="c1", anonymousId="a1", traits=traits))
    assert project.run() == 1
    customer = Customer.objects.of(shop).get()
    assert (customer.external_id, customer.email, customer.phone) == ("c1", "Ada@Shop.example", "+49 170 1234567")
    assert (customer.name, customer.address) == ("Ada Lovelace", "12 St James Sq, London, gb")
    assert (customer.country, customer.birth_year, customer.gender) == ("GB", 1985, "female")
    assert customer.attributes == {"plan": "gold"}
    assert bytes(customer.email_hash) == contact.email_hash("ada@shop.example")
    batch = IngestBatch.objects.of(shop).get()
    assert batch.projected_at
    assert batch.contacts == ""
    identity = Identity.objects.of(shop).get()
    assert (identity.anonymous_id, identity.customer, identity.proven) == ("a1", customer, True)


def test_a_publishable_key_only_claims(shop: Shop) -> None:
    take(
        shop,
        message("identify", userId="c1", anonymousId="a1", traits={"email": "ada@shop.example", "plan": "x"}),
        trusted=False,
    )
    project.run()
    customer, identity = Customer.objects.of(shop).get(), Identity.objects.of(shop).get()
    assert (customer.email, customer.attributes) == ("", {})
    assert (identity.customer, identity.proven) == (customer, False)
    # The claim of another stays a claim; the proof stands beside it.
    take(shop, message("identify", userId="c2", anonymousId="a1"))
    project.run()
    ties = {tie.proven: tie.customer.external_id for tie in Identity.objects.of(shop).select_related("customer")}
    assert ties == {False: "c1", True: "c2"}


def test_an_alias_ties_the_former_id(shop: Shop) -> None:
    take(shop, message("alias", previousId="a1", userId="c1"))
    project.run()
    tie = Identity.objects.of(shop).get()
    assert (tie.anonymous_id, tie.customer.external_id, tie.proven) == ("a1", "c1", True)


def test_events_with_both_ids_tie_them(shop: Shop) -> None:
    take(
        shop,
        message("track", 1, event="e", userId="c1", anonymousId="a1"),
        message("track", 3, event="e", userId="c2", anonymousId="a1"),
        message("track", 2, event="e", userId="c3", anonymousId="a1"),
    )
    project.run()
    assert Identity.objects.of(shop).get().customer.external_id == "c2"


def test_what_another_door_wrote_yields_only_to_later_words(shop: Shop) -> None:
    known = Customer.objects.create(shop=shop, external_id="c1", email="old@shop.example", country="DE", source="file")
    take(shop, message("identify", userId="c1", traits={"email": "older@shop.example", "plan": "gold"}))
    project.run()
    known.refresh_from_db()
    assert (known.email, known.attributes) == ("old@shop.example", {"plan": "gold"})
    take(shop, {"type": "identify", "userId": "c1", "traits": {"email": "new@shop.example"}})
    project.run()
    known.refresh_from_db()
    assert known.email == "new@shop.example"


# --- orders -----------------------------------------------------------------------------------------------


def test_an_order_completed_is_an_order(shop: Shop, products: dict[str, int]) -> None:
    take(shop, {**order("Order Completed", **BOUGHT), "anonymousId": "a1"})
    project.run()
    made = Order.objects.of(shop).get()
    assert (made.external_id, made.status, made.currency, made.door) == ("o1", "paid", "EUR", Door.TRACKING)
    assert (made.total, made.shipping, made.tax, made.discount) == (Decimal("27.5"), 3, Decimal("2.5"), 1)
    assert (made.customer.external_id, made.anonymous_id, made.coupon) == ("c1", "a1", "SPRING")
    assert made.placed_at == made.updated_at == datetime.fromisoformat(message("track")["timestamp"])
    lines = (
        OrderLine.objects.of(shop)
        .order_by("position")
        .values_list("position", "product", "sku", "quantity", "unit_price")
    )
    assert list(lines) == [(1, products["p1"], "p1", 2, 10), (2, None, "x9", 1, 2)]


def test_an_update_replaces_lines_and_a_refund_ends_it(shop: Shop, products: dict[str, int]) -> None:
    take(shop, order("Order Completed", **BOUGHT))
    take(shop, order("Order Updated", 5, total=10, products=[{"product_id": "p2", "price": 10}]))
    project.run()
    made = Order.objects.of(shop).get()
    assert (made.total, made.lines.get().product_id) == (10, products["p2"])
    assert made.updated_at - made.placed_at == timedelta(minutes=5)
    take(shop, order("Order Refunded", 6, products=[{"product_id": "p2"}]))
    project.run()
    assert Order.objects.of(shop).get().status == "paid"  # part of it only
    take(shop, order("Order Refunded", 7))
    project.run()
    assert Order.objects.of(shop).get().status == "refunded"
    take(shop, order("Order Cancelled", 8, **BOUGHT))
    project.run()
    made = Order.objects.of(shop).get()
    assert made.status == "cancelled"
    assert made.cancelled_at == made.updated_at


def test_the_total_follows_from_what_is_given(shop: Shop) -> None:
    take(
        shop,
        order("Order Completed", order_id="a", revenue=20, shipping=3, tax=2),
        order("Order Completed", order_id="b", products=[{"price": 4, "quantity": 2}, {"price": 1}], discount=2, tax=1),
        order("Order Completed", order_id=3),
    )
    project.run()
    totals = dict(Order.objects.of(shop).values_list("external_id", "total"))
    assert totals == {"a": 25, "b": 8, "3": 0}


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"order_id": None}, "order_id"),
        ({"total": "a lot"}, "total"),
        ({"total": -1}, "total"),
        ({"shipping": 1e30}, "shipping"),
        ({"currency": "Euro"}, "currency"),
        ({"products": {"a": 1}}, "products"),
        ({"products": ["p1"]}, "products"),
        ({"products": [{"price": 1, "quantity": "x"}]}, "products.quantity"),
    ],
)
def test_an_order_that_is_none_is_shown_and_hinders_nothing(shop: Shop, properties: dict[str, Any], field: str) -> None:
    take(shop, order("Order Completed", **{**BOUGHT, **properties}), order("Order Completed", order_id="good"))
    project.run()
    assert [each.external_id for each in Order.objects.of(shop)] == ["good"]
    row = QuarantineRow.objects.of(shop).get()
    assert (row.table, row.column, row.reason) == ("order", field, "invalid_order")
    assert IngestBatch.objects.of(shop).get().projected_at


@pytest.mark.parametrize("door", [Door.FILE, Door.SYSTEM])
def test_a_higher_door_wins_whoever_comes_first(shop: Shop, door: Door) -> None:
    known = {"currency": "EUR", "total": 99, "placed_at": NOW, "door": door}
    Order.objects.create(shop=shop, external_id="o1", **known)
    take(shop, order("Order Completed", **BOUGHT), order("Order Cancelled", 5))
    project.run()
    made = Order.objects.of(shop).get()
    assert (made.total, made.status, made.door) == (99, "paid", door)
    assert not OrderLine.objects.of(shop).exists()


def test_a_browser_does_not_change_what_a_server_said(shop: Shop) -> None:
    take(shop, order("Order Completed", **BOUGHT))
    take(shop, order("Order Completed", 5, total=1), order("Order Cancelled", 6), trusted=False)
    project.run()
    made = Order.objects.of(shop).get()
    assert (made.total, made.status) == (Decimal("27.5"), "paid")
    take(shop, order("Order Completed", 7, order_id="o2", total=1), trusted=False)
    take(shop, order("Order Completed", 1, order_id="o2", total=2))
    project.run()
    made = Order.objects.of(shop).get(external_id="o2")
    assert (made.total, made.customer.external_id) == (2, "c1")


def test_an_order_by_a_browser_names_no_customer(shop: Shop) -> None:
    take(shop, {**order("Order Completed", **BOUGHT, email="ada@shop.example"), "anonymousId": "a1"}, trusted=False)
    project.run()
    made = Order.objects.of(shop).get()
    assert (made.customer, made.anonymous_id) == (None, "a1")
    assert bytes(made.email_hash) == contact.email_hash("ada@shop.example")


# --- figures ----------------------------------------------------------------------------------------------


def test_figures_count_by_shop_day(shop: Shop) -> None:
    """23:30 UTC is the next day in Berlin."""
    take(
        shop,
        order("Order Completed", **BOUGHT),
        message("page", anonymousId="a1"),
        message("page", 690, anonymousId="a1"),
    )
    take(
        shop, message("page", 1, anonymousId="a1"), order("Order Completed", 2, order_id="o2", total=5, currency="USD")
    )
    project.run()
    next_day = DAY + timedelta(days=1)
    assert figures(shop) == {
        (DAY, "events", ""): 4, (DAY, "events", "Order Completed"): 2, (DAY, "events", "Page"): 2,
        (DAY, "visitors", ""): 2, (DAY, "orders", ""): 2, (DAY, "revenue", ""): 27.5,
        (next_day, "events", ""): 1, (next_day, "events", "Page"): 1, (next_day, "visitors", ""): 1,
    }  # fmt: skip
    take(shop, order("Order Cancelled", 9))
    project.run()
    assert figures(shop)[DAY, "orders", ""] == 1
    assert figures(shop)[DAY, "revenue", ""] == 0


def test_own_names_are_counted_up_to_a_bound(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_OWN_NAMES", 2)
    take(shop, *(message("track", event=f"Own {n}", userId="c1") for n in range(2)))
    project.run()
    take(shop, *(message("track", event=f"Own {n}", userId="c1") for n in range(1, 5)))
    project.run()
    counted = {dimension: value for (_day, name, dimension), value in figures(shop).items() if name == "events"}
    assert counted == {"": 6, "Own 0": 1, "Own 1": 2, "Other": 3}


def test_orders_of_other_doors_are_counted_by_the_sweep(shop: Shop) -> None:
    Order.objects.create(shop=shop, external_id="o1", currency="EUR", total=10, placed_at=datetime.now(UTC))
    tasks.sweep()
    today = datetime.now(UTC).astimezone(shop.tz).date()
    assert figures(shop)[today, "revenue", ""] == 10


def test_figures_of_old_orders_are_mended(shop: Shop, other_shop: Shop) -> None:
    at = datetime(2020, 5, 5, 22, 30, tzinfo=UTC)  # the sixth in Berlin
    for each in (shop, other_shop):
        Order.objects.create(shop=each, external_id="o1", currency="EUR", total="10.10", placed_at=at)
    assert metrics.mend_orders() == 2
    assert metrics.mend_orders() == 0
    assert figures(shop)[date(2020, 5, 6), "revenue", ""] == 10.1
    Order.objects.of(shop).update(status="refunded")
    assert metrics.mend_orders() == 1
    assert figures(shop) == {(date(2020, 5, 6), "orders", ""): 1, (date(2020, 5, 6), "revenue", ""): 0}
    Order.objects.of(shop).delete()
    metrics.mend_orders()
    assert set(figures(shop).values()) == {0}


def test_old_batches_and_visitors_go_what_waits_stays(shop: Shop) -> None:
    take(shop, message("page", anonymousId="a1"))
    project.run()
    take(shop, message("page", anonymousId="a2"))
    IngestBatch.objects.of(shop).filter(projected_at__isnull=False).update(projected_at=NOW - timedelta(days=8))
    before = figures(shop)
    metrics.forget_visitors(NOW.date())
    assert project.prune() == 1
    assert IngestBatch.objects.of(shop).get().projected_at is None
    assert figures(shop) == before
    assert not DailyVisitor.objects.filter(shop=shop).exists()


# --- the same, whatever the order -------------------------------------------------------------------------

_minutes = st.integers(0, 300)
_people = st.one_of(
    st.builds(
        lambda at, user, traits: message("identify", at, userId=user, anonymousId="a1", traits=traits),
        _minutes, st.sampled_from(["c1", "c2"]),
        st.dictionaries(st.sampled_from(["plan", "email", "gender", "n"]), st.sampled_from(["a@b.example", "m", "x", "y"])),
    ),
    st.builds(lambda at, user: message("alias", at, userId=user, previousId="a2"), _minutes, st.sampled_from(["c1", "c2"])),
    st.builds(
        lambda at, name, total, lines: order(
            name, at, total=total, products=[{"product_id": "p1", "price": price} for price in lines]
        ),
        _minutes, st.sampled_from(sorted(orders.ORDER_CONTENT)), st.integers(0, 9), st.lists(st.integers(1, 3), max_size=3),
    ),
    st.builds(lambda at, name: order(name, at), _minutes, st.sampled_from(sorted(orders.ORDER_STATUS))),
)  # fmt: skip


def facts(shop: Shop) -> Any:
    people = [
        (each.external_id, each.email, each.gender, each.attributes)
        for each in Customer.objects.of(shop).order_by("external_id")
    ]
    ties = list(
        Identity.objects.of(shop).order_by("pk").values_list("anonymous_id", "customer__external_id", "proven", "at")
    )
    bought = [
        (each.status, each.total, each.placed_at, each.updated_at, each.cancelled_at, each.customer.external_id,
         list(each.lines.order_by("position").values_list("position", "sku", "unit_price")))
        for each in Order.objects.of(shop).select_related("customer")
    ]  # fmt: skip
    return people, sorted(ties), bought, figures(shop)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_people, min_size=1, max_size=8), st.randoms(use_true_random=False), st.booleans())
def test_any_order_any_batching_and_any_repetition_give_the_same_rows(
    db: None, messages: list[dict[str, Any]], random: Any, together: bool
) -> None:
    results = []
    for turn in range(2):
        own = Shop.objects.create(slug=f"s{uuid7()}", name="Own", currency="EUR")
        if turn:
            random.shuffle(messages)
        for each in messages:
            take(own, each)
            if turn and not together:
                project.run()
        project.run()
        # A batch that is projected twice (the mark was lost with the machine) counts events again, and nothing else.
        before = facts(own)
        IngestBatch.objects.of(own).update(projected_at=None)
        project.run()
        assert facts(own)[:3] == before[:3]
        results.append(before)
    assert results[0] == results[1]


_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("9" * 30))
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
)
_words = st.sampled_from(["order_id", "total", "revenue", "products", "currency", "discount", "coupon", "status", "x"])
_traits = st.sampled_from(["email", "name", "address", "gender", "birthday", "country", "phone", "plan", "@email"])
_lines = st.lists(st.dictionaries(st.sampled_from(["product_id", "price", "quantity", "name"]), _scalars), max_size=3)
_odd = st.one_of(
    st.builds(
        lambda name, properties: {"type": "track", "event": name, "userId": "c1", "properties": properties},
        st.sampled_from(sorted(orders.ORDER_CONTENT | set(orders.ORDER_STATUS))),
        st.dictionaries(_words, st.one_of(_anything, _lines)),
    ),
    st.builds(
        lambda traits: {"type": "identify", "userId": "c1", "anonymousId": "a1", "traits": traits},
        st.dictionaries(_traits, _anything),
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_odd, min_size=1, max_size=8))
def test_nothing_that_is_stored_poisons_its_batch(db: None, messages: list[dict[str, Any]]) -> None:
    own = Shop.objects.create(slug=f"s{uuid7()}", name="Own", currency="EUR")
    accept(own.pk, [json.dumps(each).encode() for each in messages], trusted=True)
    project.run()
    left = IngestBatch.objects.of(own).filter(projected_at=None).values_list("error", flat=True)
    assert list(left) == []


# --- failures ---------------------------------------------------------------------------------------------


def test_a_poison_batch_is_set_aside_and_blocks_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real = orders.apply

    def poisoned(shop: Shop, events: Iterable[orders.OrderEvent]) -> Any:
        events = list(events)
        if any(each.properties.get("order_id") == "poison" for each in events):
            raise RuntimeError("it does not fit")
        return real(shop, events)

    monkeypatch.setattr(orders, "apply", poisoned)
    take(shop, order("Order Completed", order_id="before"))
    take(shop, order("Order Completed", order_id="poison"))
    take(shop, order("Order Completed", order_id="after"))
    for attempt in range(1, project.MOST_ATTEMPTS + 1):
        project.run()
        batch = IngestBatch.objects.of(shop).get(projected_at=None)
        assert batch.attempts == attempt
        IngestBatch.objects.of(shop).update(retry_at=None)
    assert {each.external_id for each in Order.objects.of(shop)} == {"before", "after"}
    assert figures(shop)[DAY, "events", ""] == 2
    assert batch.set_aside_at
    assert batch.error == "RuntimeError: it does not fit"
    assert project.run() == 0
    monkeypatch.undo()
    project.retry(batch)
    assert project.run() == 1
    assert Order.objects.of(shop).count() == 3
    assert figures(shop)[DAY, "events", ""] == 3


def test_contacts_that_cannot_be_read_harm_only_their_batch(shop: Shop) -> None:
    take(shop, message("identify", userId="c1", traits={"email": "ada@shop.example"}))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ingest_ingestbatch SET contacts = '\\x0102'")
    take(shop, message("identify", userId="c2", traits={"email": "bob@shop.example"}))
    project.run()
    assert {each.external_id: each.email for each in Customer.objects.of(shop)} == {"c1": "", "c2": "bob@shop.example"}
    assert (
        IngestBatch.objects.of(shop)
        .values_list("error", flat=True)
        .get(projected_at=None)
        .startswith("DecryptionError")
    )


def test_an_erased_customer_is_not_needed(shop: Shop) -> None:
    take(
        shop,
        order("Order Completed", **BOUGHT),
        message("identify", userId="c1", anonymousId="a1", traits={"plan": "x"}),
    )
    Customer.objects.of(shop).delete()
    project.run()
    assert Order.objects.of(shop).get().customer is None
    assert not Identity.objects.of(shop).exists()


def test_two_shops_are_projected_apart(shop: Shop, other_shop: Shop) -> None:
    for each in (shop, other_shop):
        take(each, order("Order Completed", **BOUGHT))
    assert project.run() == 2
    for each in (shop, other_shop):
        assert Order.objects.of(each).get().customer.shop_id == each.pk
        assert (
            sum(
                value for (_day, name, dimension), value in figures(each).items() if (name, dimension) == ("events", "")
            )
            == 1
        )


def test_history_lies_under_its_own_months(shop: Shop) -> None:
    old = [order("Order Completed", order_id=f"o{n}") | {"timestamp": f"2019-0{n}-05T12:00:00Z"} for n in (1, 3)]
    accepted = accept(shop.pk, [json.dumps(each).encode() for each in old], door="file", trusted=True, historic=True)
    assert accepted.stored == 2
    project.run()
    assert sorted(each.placed_at.month for each in Order.objects.of(shop)) == [1, 3]
    assert figures(shop)[date(2019, 3, 5), "orders", ""] == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_once_count_everything_once(transactional_db: None) -> None:
    own = Shop.objects.create(slug="own", name="Own", currency="EUR")
    for n in range(40):
        take(own, order("Order Completed", n, order_id=f"o{n % 7}", total=n), message("page", anonymousId=f"a{n % 5}"))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            project.run()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    project.run()
    assert figures(own)[DAY, "events", ""] == 80
    assert figures(own)[DAY, "visitors", ""] == 6
    assert {each.external_id: int(each.total) for each in Order.objects.of(own)} == {f"o{n % 7}": n for n in range(40)}
