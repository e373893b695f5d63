"""Lists of big tables: counts that stop, filters by time on the index, figures and money as people read them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai import registry
from commerce_ai.console import paging
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.filters import read_span, span_of
from commerce_ai.console.money import money
from commerce_ai.console.templatetags.console import duration, figure
from commerce_ai.ids import uuid7
from commerce_ai.ingest.models import QuarantineRow
from commerce_ai.shop.models import PriceChange, Product
from commerce_ai.shop.revision import refresher
from tests.console.rows import make_decision, make_quarantined
from tests.factories import CustomerScoreFactory, EventFactory, OrderFactory, PriceChangeFactory, ProductFactory
from tests.plugin_factories import CaseFactory


def test_a_count_stops_and_says_about(owner, shop, monkeypatch):
    monkeypatch.setattr(paging, "EXACT", 60)
    for _ in range(70):
        ProductFactory(shop=shop)
    with CaptureQueriesContext(connection) as captured:
        page = owner.get(reverse("admin:shop_product_changelist"))
    paginator = page.context["cl"].paginator
    assert paginator.count >= 61 and paginator.num_pages == 2 and "about" in page.content.decode()
    counts = [
        each["sql"] for each in captured.captured_queries if "COUNT(" in each["sql"] and "shop_product" in each["sql"]
    ]
    assert counts and all("LIMIT 61" in sql for sql in counts)


def test_a_small_count_is_exact(owner, shop):
    ProductFactory(shop=shop)
    page = owner.get(reverse("admin:shop_product_changelist"))
    assert page.context["cl"].result_count == 1 and "about" not in page.content.decode()


def test_a_list_asks_as_many_questions_for_one_row_as_for_thirty(owner, shop):
    from tests.factories import OrderLineFactory, ReviewFactory, StockLevelFactory

    for model, make in (
        ("orderline", OrderLineFactory),
        ("review", ReviewFactory),
        ("stocklevel", StockLevelFactory),
        ("order", OrderFactory),
    ):

        def queries(model=model):
            with CaptureQueriesContext(connection) as captured:
                assert owner.get(reverse(f"admin:shop_{model}_changelist")).status_code == 200
            return len(captured)

        make(shop=shop)
        queries()
        few = queries()
        for _ in range(15):
            make(shop=shop)
        assert queries() == few, model


def test_events_and_decisions_are_filtered_by_their_id(owner, shop):
    now = timezone.now()
    made = {days: EventFactory(shop=shop, id=uuid7(now - timedelta(days=days))) for days in (0, 1)}
    with CaptureQueriesContext(connection) as captured:
        page = owner.get(reverse("admin:shop_event_changelist"), {"during": "1"})
    assert [each.pk for each in page.context["cl"].result_list] == [made[0].pk]
    listing = [each["sql"] for each in captured.captured_queries if 'FROM "shop_event"' in each["sql"]]
    assert listing and all('"shop_event"."id" >=' in sql and '"shop_event"."id" <' in sql for sql in listing)
    make_decision(shop)
    page = owner.get(reverse("admin:decisions_decision_changelist"), {"during": "7", "plugin": "recommendation"})
    assert page.context["cl"].result_count == 1


def test_days_begin_at_the_shops_midnight(owner, shop):
    inside = OrderFactory(shop=shop, placed_at=datetime(2026, 2, 28, 15, 0, tzinfo=UTC))  # March 1 in Tokyo
    OrderFactory(shop=shop, placed_at=datetime(2026, 2, 28, 14, 59, tzinfo=UTC))
    page = owner.get(reverse("admin:shop_order_changelist"), {"during": "2026-03-01..2026-03-01"})
    assert [each.pk for each in page.context["cl"].result_list] == [inside.pk]


def test_a_decision_is_found_by_its_id_and_only_so(owner, shop):
    decision = make_decision(shop)
    make_decision(shop)
    address = reverse("admin:decisions_decision_changelist")
    assert [each.pk for each in owner.get(address, {"q": str(decision.pk)}).context["cl"].result_list] == [decision.pk]
    assert owner.get(address, {"q": "no id"}).context["cl"].result_count == 0


@given(st.dates(date(1971, 1, 1), date(9000, 1, 1)), st.dates(date(1971, 1, 1), date(9000, 1, 1)))
def test_a_span_comes_back_as_it_was(one, other):
    first, last = sorted((one, other))
    assert read_span(span_of(first, last)) == (first, last)


@given(st.text(max_size=30))
def test_whatever_stands_in_the_address_is_a_span_or_none(text):
    span = read_span(text)
    assert span is None or span[0] <= span[1]


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (Decimal("1234.5"), "EUR", "€1,234.50"), (Decimal("-3"), "USD", "−$3.00"), (1234567, "JPY", "¥1,234,567"),
        (Decimal("1.2345"), "KWD", "1.235 KWD"), (0, "CHF", "0.00 CHF"), (None, "EUR", ""), (12.5, "RWF", "13 RWF"),
        (Decimal("1234.9990"), "EUR", "€1,235.00"), (0.999, "EUR", "€1.00"), (Decimal("-0.0049"), "EUR", "€0.00"),
    ],
)  # fmt: skip
def test_money_in_words(amount, currency, said):
    assert money(amount, currency) == said


def test_a_tiles_money_is_rounded_and_not_cut():
    assert money(1999.99, "EUR", rounded=True) == "€2,000"


def test_figures_and_durations_in_words():
    assert [figure(each) for each in (None, 1234567, 0.084123, 12.0, 1234.56, True, "x")] == [
        "–", "1,234,567", "0.08412", "12", "1,234.6", "True", "x",
    ]  # fmt: skip
    assert [duration(each) for each in (None, 3.25, 48, 125, 3725)] == [
        "–",
        "3.2 s",
        "48 s",
        "2 min 05 s",
        "1 h 02 min",
    ]


def test_a_changed_price_is_kept_in_the_history_and_the_catalogue_moves(owner, shop):
    from commerce_ai.shop.models import Revision

    product = ProductFactory(shop=shop, price=Decimal("10"))
    address = reverse("admin:shop_product_change", args=[product.pk])
    page = owner.get(address)
    sent = {name: "" if value is None else value for name, value in page.context["adminform"].form.initial.items()}
    for formset in page.context["inline_admin_formsets"]:
        sent |= {f"{formset.formset.prefix}-{field}": 0 for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    sent |= {"price": "12", "attributes": "{}", "tags": "", "created_at_0": "2026-01-01", "created_at_1": "10:00"}
    assert owner.post(address, sent).status_code == 302
    change = PriceChange.objects.of(shop).get()
    assert (change.previous_price, change.price, change.source) == (Decimal("10"), Decimal("12"), "console")
    assert Revision.objects.filter(shop=shop, topic="catalogue").exists()


@pytest.mark.parametrize(("starts", "price"), [(-1, "8.0000"), (1, "10.0000")])
def test_a_price_change_that_holds_now_is_the_products_price(owner, shop, starts, price):
    product = ProductFactory(shop=shop, price=Decimal("10"))
    PriceChangeFactory(shop=shop, product=product, price=Decimal("9"), starts_at=timezone.now() - timedelta(days=3))
    at = timezone.now().astimezone(shop.tz) + timedelta(days=starts)
    sent = {
        "product": product.pk, "kind": "change", "price": "8", "starts_at_0": at.date(), "starts_at_1": "00:00",
        "ends_at_0": "", "ends_at_1": "",
    }  # fmt: skip
    answer = owner.post(reverse("admin:shop_pricechange_add"), sent)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert str(Product.objects.of(shop).get().price) == price


def test_a_chart_is_json_a_table_and_words():
    chart = Chart("Sales", ["Mon", "Tue"], [Series("Orders", [1, None])], unit="EUR")
    assert chart.has_values and chart.as_json()["series"][0]["values"] == [1, None]
    assert chart.rows() == [["Mon", 1], ["Tue", None]]
    assert not Chart("Sales", ["Mon"], [Series("Orders", [None])]).has_values


def test_quarantine_is_corrected_tried_again_and_discarded(owner, shop):
    row = make_quarantined(shop)
    address = reverse("admin:ingest_quarantinerow_change", args=[row.pk])
    page = owner.get(address)
    assert "is not a number" in page.content.decode()
    sent = {f"value-{i}": value for i, (_name, value, _hidden) in page.context["columns"]}
    place = next(i for i, (name, *_rest) in page.context["columns"] if name == "price")
    owner.post(address, sent)
    row.refresh_from_db()
    assert row.state == "open" and row.attempts == 2
    assert owner.post(address, {**sent, f"value-{place}": "12.50"}).status_code == 302
    row.refresh_from_db()
    assert row.state == "solved" and row.solved_by == owner.user
    assert Product.objects.of(shop).get(external_id="P9").price == Decimal("12.50")
    second = make_quarantined(shop)
    owner.post(reverse("admin:ingest_quarantinerow_change", args=[second.pk]), {"discard": "1"})
    assert QuarantineRow.objects.of(shop).get(pk=second.pk).state == "discarded"


def test_many_quarantined_rows_are_tried_at_once_by_those_who_may(owner, sign_in, shop):
    rows = [make_quarantined(shop, values={"external_id": f"P{n}", "title": "Lamp", "price": str(n)}) for n in range(3)]
    chosen = {"action": "try_again", "_selected_action": [each.pk for each in rows]}
    sign_in("analyst").post(reverse("admin:ingest_quarantinerow_changelist"), chosen)
    assert not Product.objects.of(shop).exists()
    owner.post(reverse("admin:ingest_quarantinerow_changelist"), chosen)
    assert Product.objects.of(shop).count() == 3


def test_personal_values_of_quarantine_are_not_shown_and_kept(owner, shop):
    row = make_quarantined(
        shop, table="customers", column="country", reason="no_country",
        values={"external_id": "C1", "country": "Narnia"},
        sealed='{"email": "ada@example.org"}',
    )  # fmt: skip
    address = reverse("admin:ingest_quarantinerow_change", args=[row.pk])
    page = owner.get(address)
    assert "ada@example.org" not in page.content.decode()
    sent = {f"value-{i}": value for i, (_name, value, _hidden) in page.context["columns"]}
    place = next(i for i, (name, *_rest) in page.context["columns"] if name == "country")
    owner.post(address, {**sent, f"value-{place}": "DE"})
    from commerce_ai.shop.models import Customer

    assert Customer.objects.of(shop).get().email == "ada@example.org"


def test_money_and_shares_in_lists_have_their_unit(owner, shop):
    CaseFactory(shop=shop, score=0.914, amount=1234, currency="EUR", expected_loss=88.5)
    page = owner.get(reverse("admin:fraud_case_changelist")).content.decode()
    assert "91.4 %" in page and "€1,234.00" in page and "€88.50" in page
    CustomerScoreFactory(shop=shop, value=75, churn=0.25)
    page = owner.get(reverse("admin:shop_customerscore_changelist")).content.decode()
    assert "€75.00" in page and "25.0 %" in page
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()
    ProductFactory(shop=shop, price="19.90")
    page = owner.get("/console/recommendation/board/", {"placement": "home"}).content.decode()
    assert "€19.90" in page
