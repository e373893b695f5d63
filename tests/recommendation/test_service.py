"""What is answered: always full, never anything that may not be shown, and as personal as the caller may know."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai import registry
from commerce_ai.api.callers import Subject
from commerce_ai.decisions.experiments import drawing
from commerce_ai.decisions.models import Decision
from commerce_ai.ingest import visitors
from commerce_ai.learning.learner import Metric, Silent, Window
from commerce_ai.learning.live import LiveVersion, live
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.shop.models import Order, Product, StockLevel
from commerce_ai.shop.revision import bump, refresher
from plugins.recommendation import queries, service
from plugins.recommendation.answers import Request
from plugins.recommendation.assortment import Filters
from plugins.recommendation.service import PLACEMENTS, recommend, similar
from tests.recommendation.conftest import COLLABORATIVE, END, POPULARITY, store

STRANGER = Subject()


def customer(name: str) -> Subject:
    return Subject(customer_external_id=name, proven=True)


def visitor(name: str) -> Subject:
    return Subject(anonymous_id=name)


def ids(answer) -> list[str]:
    return [item.product_id for item in answer.items]


def product(shop, external_id) -> Product:
    return Product.objects.of(shop).get(external_id=external_id)


def look_at(shop, who: str, *external_ids: str, name: str = "Product Viewed") -> None:
    now = timezone.now()
    visits = [
        visitors.Visit(name, product(shop, each).pk, now + timedelta(seconds=place), anonymous_id=who)
        for place, each in enumerate(external_ids)
    ]
    assert visitors.remember(shop.pk, visits)


def sellable(shop) -> set[str]:
    rows = Product.objects.of(shop).filter(active=True, is_group=False, stock_levels__on_hand__gt=0)
    return set(rows.values_list("external_id", flat=True))


# --- who is asking ---


def test_a_known_customer_gets_what_fits_their_history(shop, go_live):
    go_live(shop)
    order = Order.objects.of(shop).exclude(customer=None).order_by("-placed_at").first()
    answer = recommend(shop.pk, customer(order.customer.external_id), Request(n=10))
    assert len(answer.items) == 10 and not answer.fallback
    assert answer.version.startswith(COLLABORATIVE)
    assert answer.items[0].source == "item_to_item"
    bought = set(order.lines.values_list("sku", flat=True))
    assert not bought & set(ids(answer))
    assert ids(answer) != ids(recommend(shop.pk, STRANGER, Request(n=10)))


def test_no_product_is_its_own_reason(shop, go_live):
    go_live(shop)
    codes = set()
    for number in range(1, 40):
        for item in recommend(shop.pk, customer(f"C{number:06d}"), Request(n=20), keep=False).items:
            assert item.reason.params.get("product_id") != item.product_id
            codes.add(item.reason.code)
    assert codes == {"seen_before", "because_known", "popular"}


def test_a_running_visit_counts_at_once_and_gives_its_reasons(shop, go_live):
    go_live(shop)
    cold = recommend(shop.pk, visitor("v"), Request(n=10))
    look_at(shop, "v", "P00003")
    warm = recommend(shop.pk, visitor("v"), Request(n=10))
    assert ids(cold) != ids(warm) and "P00003" not in ids(warm)
    reasons = {item.reason.code for item in warm.items if item.source == "item_to_item"}
    assert reasons == {"because_viewed"}
    assert warm.items[0].reason.params["product_id"] == "P00003"
    assert product(shop, "P00003").title in warm.items[0].reason.text


def test_what_was_put_back_is_no_wish(shop, go_live):
    go_live(shop)
    look_at(shop, "v", "P00003", name="Product Removed")
    assert ids(recommend(shop.pk, visitor("v"), Request())) == ids(recommend(shop.pk, STRANGER, Request()))


def test_a_stranger_gets_bestsellers(shop, go_live):
    go_live(shop)
    answer = recommend(shop.pk, STRANGER, Request(n=5))
    assert {item.source for item in answer.items} == {"popularity"}
    assert {item.reason.code for item in answer.items} == {"popular"}
    assert not answer.fallback


def test_a_customer_who_is_new_gets_an_answer(shop, go_live):
    go_live(shop)
    answer = recommend(shop.pk, customer("nobody-we-know"), Request(n=5))
    assert ids(answer) == ids(recommend(shop.pk, STRANGER, Request(n=5)))


def test_an_unproven_name_is_nobody(shop, go_live):
    go_live(shop)
    order = Order.objects.of(shop).exclude(customer=None).order_by("-placed_at").first()
    claimed = Subject(customer_external_id=order.customer.external_id, proven=False)
    assert ids(recommend(shop.pk, claimed, Request())) == ids(recommend(shop.pk, STRANGER, Request()))


# --- what may be shown: rules ---

REQUESTS = st.builds(
    Request,
    placement=st.sampled_from(PLACEMENTS),
    n=st.one_of(st.none(), st.integers(1, 100)),
    filters=st.builds(
        Filters,
        category=st.sampled_from(["", "Kitchen", "Kitchen > Cooking", "Kitch", "Nowhere"]),
        brand=st.sampled_from(["", "Brisk", "brisk", "Nobody"]),
        price_min=st.one_of(st.none(), st.floats(0, 100)),
        price_max=st.one_of(st.none(), st.floats(20, 200)),
        in_stock=st.booleans(),
    ),
    products=st.lists(st.sampled_from(["P00001", "P00050", "gone"]), max_size=2).map(tuple),
    exclude=st.lists(st.sampled_from([f"P{number:05d}" for number in range(1, 97)]), max_size=30).map(tuple),
    exclude_purchased=st.sampled_from([None, True, False]),
)
SUBJECTS = st.sampled_from(
    [STRANGER, customer("C000001"), customer("C000042"), customer("nobody"), visitor("v"), visitor("w")]
)


@pytest.mark.parametrize("live", [(), (POPULARITY,), (COLLABORATIVE,), (POPULARITY, COLLABORATIVE)])
def test_the_rules_of_every_answer(shop, other_shop, go_live, live):
    look_at(shop, "v", "P00003", "P00017")
    for learner in live:
        go_live(shop, learner)
    allowed = sellable(shop)
    rows = {each.external_id: each for each in Product.objects.of(shop)}

    def fits(each: Product, request: Request) -> bool:
        wanted, path = request.filters, request.filters.category
        return (
            each.external_id in allowed
            and each.external_id not in request.exclude
            and each.external_id not in request.products
            and (not path or each.category == path or each.category.startswith(path + " > "))
            and (not wanted.brand or each.brand.lower() == wanted.brand.lower())
            and (wanted.price_min is None or float(each.price) >= wanted.price_min)
            and (wanted.price_max is None or float(each.price) <= wanted.price_max)
        )

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(request=REQUESTS, subject=SUBJECTS)
    def rules(request, subject):
        answer = recommend(shop.pk, subject, request, keep=False)
        shown = ids(answer)
        assert len(shown) == len(set(shown))
        assert all(fits(rows[each], request) for each in shown)
        assert [item.position for item in answer.items] == list(range(1, len(shown) + 1))
        fitting = sum(fits(each, request) for each in rows.values())
        hidden = 0 if request.exclude_purchased is False else 25  # what the customer has bought, or just looked at
        assert len(shown) >= min(request.n or 10, fitting - hidden)
        if subject is STRANGER:
            assert len(shown) == min(request.n or 10, fitting)
        for item in answer.items:
            assert item.price == str(rows[item.product_id].price.quantize(Decimal("0.01")))
            assert item.reason is None or item.reason.text
        assert ids(recommend(shop.pk, subject, request, keep=False)) == shown

    rules()


def test_sold_out_inactive_and_dearer_show_at_the_next_poll(shop, go_live):
    go_live(shop)
    first, second, third = ids(recommend(shop.pk, STRANGER, Request(n=3)))
    StockLevel.objects.of(shop).get(product__external_id=first).__class__.objects.of(shop).filter(
        product__external_id=first
    ).update(on_hand=0, updated_at=timezone.now())
    Product.objects.of(shop).filter(external_id=second).update(active=False, updated_at=timezone.now())
    Product.objects.of(shop).filter(external_id=third).update(price="1234.5", updated_at=timezone.now())
    bump("catalogue", shop)
    refresher.poll()
    answer = recommend(shop.pk, STRANGER, Request(n=3))
    assert not {first, second} & set(ids(answer))
    assert {item.product_id: item.price for item in answer.items}[third] == "1234.50"


def test_products_that_nobody_met_fill_the_list_newest_first(shop, go_live, few_are_enough):
    go_live(shop, POPULARITY)
    made = [
        Product.objects.create(shop=shop, external_id=f"N{n}", title=f"N{n}", price=1, category="Fresh")
        for n in range(4)
    ]
    bump("catalogue", shop)
    refresher.poll()
    answer = recommend(shop.pk, STRANGER, Request(n=10, filters=Filters(category="Fresh")))
    assert ids(answer) == [each.external_id for each in reversed(made)]
    assert {item.source for item in answer.items} == {"newest"} and answer.items[0].reason.code == "new"


@pytest.mark.parametrize("subject", [STRANGER, visitor("v"), customer("C000042"), customer("nobody")])
def test_warm_nothing_is_read_from_postgres(shop, go_live, django_assert_num_queries, subject):
    go_live(shop)
    look_at(shop, "v", "P00003")
    wanted = Request(
        filters=Filters(category="Kitchen"), exclude=("P00001",), products=("P00002",), placement="product"
    )
    recommend(shop.pk, subject, wanted, keep=False)
    with django_assert_num_queries(0):
        recommend(shop.pk, subject, wanted, keep=False)
        similar(shop.pk, subject, "P00003", Request(), keep=False)


# --- which version answers ---


def test_the_best_on_validation_answers_first_unless_one_is_chosen(shop, go_live):
    go_live(shop, POPULARITY, figure=0.3)
    go_live(shop, COLLABORATIVE, figure=0.2)
    look_at(shop, "v", "P00003")
    assert recommend(shop.pk, visitor("v"), Request()).version.startswith(POPULARITY)
    registry.save_settings(shop, "recommendation", {**DEFAULTS, "source": COLLABORATIVE})
    refresher.poll()
    answer = recommend(shop.pk, visitor("v"), Request(n=96))
    assert answer.version.startswith(COLLABORATIVE)


def test_without_a_live_version_bestsellers_answer_and_say_so(shop):
    answer = recommend(shop.pk, customer("C000001"), Request(n=5))
    assert answer.fallback and answer.version is None and "No version is live" in answer.fallback_reason
    assert {item.source for item in answer.items} == {"bestsellers"}
    assert Decision.objects.of(shop).get().flags == ["fallback"]


def test_the_emergency_switch_lets_no_version_answer(shop, go_live):
    go_live(shop)
    registry.save_settings(shop, "recommendation", {**DEFAULTS, "bestsellers_only": True})
    refresher.poll()
    answer = recommend(shop.pk, STRANGER, Request())
    assert answer.fallback and "bestsellers only" in answer.fallback_reason


def test_a_version_that_breaks_leaves_its_turn_to_the_next(shop, go_live, monkeypatch):
    go_live(shop, COLLABORATIVE, figure=0.3)
    go_live(shop, POPULARITY, figure=0.2)
    best = live(shop.pk, service.SLOT)[0]
    monkeypatch.setattr(best.scorer, "candidates", lambda *args, **more: 1 / 0)
    answer = recommend(shop.pk, STRANGER, Request(n=5))
    assert answer.version.startswith(POPULARITY) and len(answer.items) == 5


DEFAULTS = {"source": "auto", "items": 10, "exclude_purchased": True, "bestsellers_only": False}


# --- versions of other kinds ---


class Plain:
    """A scorer without `candidates`: all it has is what its learner's `predict` makes of it."""


class PlainLearner:
    """Anybody's learner of the slot: each known customer gets the same products, in a given order."""

    name = "acme.plain"
    metric = Metric("ndcg@20", "max", "popularity")

    def __init__(self, products: list[int]) -> None:
        self.products = products

    def predict(self, scorer: Plain, customers: pl.DataFrame) -> pl.DataFrame:
        frame = pl.DataFrame({"product_id": self.products}).with_row_index("rank", 1)
        return customers.join(frame.with_columns(score=1 / pl.col("rank")), how="cross").sort("rank", descending=True)


def test_any_learner_of_the_slot_answers_by_frames(shop, monkeypatch):
    gone = product(shop, "P00002")
    Product.objects.of(shop).filter(pk=gone.pk).update(active=False)
    chosen = [product(shop, each).pk for each in ("P00007", "P00002", "P00005")]
    version = LiveVersion(7, PlainLearner(chosen), Plain(), {}, None, Path(), "")
    monkeypatch.setattr(drawing, "answering", lambda shop_id, slot, instead: (version,))
    answer = recommend(shop.pk, customer("C000001"), Request(n=5))
    assert ids(answer)[:2] == ["P00007", "P00005"] and len(answer.items) == 5
    assert [item.source for item in answer.items] == ["acme.plain"] * 2 + ["bestsellers"] * 3
    assert answer.version == "acme.plain v7" and not answer.fallback
    assert recommend(shop.pk, STRANGER, Request(n=5)).fallback


def test_an_artifact_made_from_files_answers_by_the_shops_own_ids(shop, tmp_path):
    names = dict(queries.customers(shop).iter_rows())
    skus = {each.pk: each.external_id for each in Product.objects.of(shop)}
    window = Window(None, END)
    rows = queries.interactions(shop, window).filter(pl.col("customer_id") > 0)
    rows = rows.with_columns(
        pl.col("customer_id").replace_strict(names, return_dtype=pl.String),
        pl.col("product_id").replace_strict(skus, return_dtype=pl.String),
    )
    recipe = recipe_of(registry.learner(COLLABORATIVE), {"method": "item_to_item"})
    fitted = recipe.learner.fit({"interactions": rows}, recipe.params, Silent())
    store(shop, recipe, fitted, 0.2, window, tmp_path)
    known = recommend(shop.pk, customer("C000001"), Request(n=5))
    assert known.items[0].source == "item_to_item"
    look_at(shop, "v", "P00003")
    visit = recommend(shop.pk, visitor("v"), Request(n=5))
    assert visit.items[0].reason.params["product_id"] == "P00003"


# --- decisions ---


def test_a_decision_holds_what_was_shown_and_by_whom(shop, go_live):
    version = go_live(shop)
    subject = Subject(customer_external_id="C000001", anonymous_id="a-1", session_id="s", proven=True)
    answer = recommend(shop.pk, subject, Request(n=3, placement="cart", products=("P00003",)))
    assert answer.stored
    kept = Decision.objects.of(shop).get(id=answer.decision_id)
    assert (kept.plugin, kept.kind, kept.placement) == ("recommendation", "recommendations", "cart")
    assert (kept.version_id, kept.anonymous_id, kept.session_id) == (version.pk, "a-1", "s")
    assert kept.customer_id is not None
    items = kept.payload["items"]
    assert [each["product_id"] for each in items] == ids(answer)
    assert [each["position"] for each in items] == [1, 2, 3]
    assert {each["propensity"] for each in items} == {1.0}
    assert all(each["source"] for each in items)


def test_a_look_from_the_console_leaves_no_trace(shop):
    assert not recommend(shop.pk, STRANGER, Request(), keep=False).stored
    assert not Decision.objects.of(shop).exists()


# --- similar ---


def test_similar_starts_with_what_goes_together_and_is_filled_from_the_category(shop, go_live):
    go_live(shop)
    answer = similar(shop.pk, STRANGER, "P00003", Request(n=96))
    assert "P00003" not in ids(answer)
    assert set(ids(answer)) == sellable(shop) - {"P00003"}
    first = answer.items[0]
    assert first.source == "item_to_item" and first.reason.code == "goes_with"
    assert first.reason.params["product_id"] == "P00003"


def test_similar_without_a_version_stays_in_the_category(shop):
    answer = similar(shop.pk, STRANGER, "P00003", Request(n=3))
    category = product(shop, "P00003").category
    assert {product(shop, each).category for each in ids(answer)} == {category}
    assert answer.fallback


def test_similar_to_nothing(shop, other_shop):
    Product.objects.create(shop=other_shop, external_id="theirs", title="T", price=1)
    with pytest.raises(service.UnknownProduct):
        similar(shop.pk, STRANGER, "theirs", Request())
