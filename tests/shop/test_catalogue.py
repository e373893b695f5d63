import itertools
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.shop import catalogue
from commerce_ai.shop.bulk import upsert
from commerce_ai.shop.catalogue import Catalogue, catalogue_of, load, reload
from commerce_ai.shop.models import Product, StockLevel
from commerce_ai.shop.revision import bump, refresher
from tests.factories import LocationFactory, ProductFactory, ShopFactory, StockLevelFactory

pytestmark = pytest.mark.django_db

COLUMNS = [name for name in Catalogue.__dataclass_fields__ if name not in ("frame", "since")]


def same(one, other):
    for name in COLUMNS:
        left, right = getattr(one, name), getattr(other, name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, name
            np.testing.assert_array_equal(left, right, err_msg=name)
        else:
            assert left == right, name


@pytest.fixture
def shop():
    return ShopFactory(currency="EUR")


@pytest.fixture
def full_loads(monkeypatch):
    """How often everything is read."""
    counted = []
    monkeypatch.setattr(catalogue, "load", lambda shop_id: (counted.append(shop_id), load(shop_id))[1])
    return counted


def test_columns_hold_what_hot_paths_need(shop):
    group = ProductFactory(shop=shop, external_id="G", is_group=True, brand="")
    mug = ProductFactory(
        shop=shop, external_id="A", parent=group, title="Mug", category="Home > Kitchen", brand="Acme",
        price=Decimal("9.995"), image_url="https://x/a.jpg", url="https://x/a",
    )  # fmt: skip
    lamp = ProductFactory(shop=shop, external_id="B", category="Home", brand="Acme", price=None, active=False)
    ProductFactory(external_id="A")
    for on_hand in (3, 4):
        StockLevelFactory(shop=shop, product=mug, location=LocationFactory(shop=shop), on_hand=on_hand, reserved=1)
    read = load(shop.pk)
    assert read.id.tolist() == [group.pk, mug.pk, lamp.pk]
    assert (read.external_id, read.title[1], read.url[1], read.image_url[1]) == (
        ["G", "A", "B"], "Mug", "https://x/a", "https://x/a.jpg",
    )  # fmt: skip
    assert read.parent.tolist() == [-1, group.pk, -1]
    assert [read.categories[code] for code in read.category] == ["Home > Kitchen", "Home > Kitchen", "Home"]
    assert [read.brands[code] for code in read.brand] == ["", "Acme", "Acme"]
    assert read.stock[1] == 5
    assert math.isnan(read.stock[2])
    assert math.isnan(read.price[2])
    assert (read.price_text(1), read.price_text(2)) == ("10.00", None)
    assert read.active.tolist() == [True, True, False]
    assert read.sellable.tolist() == [False, True, False]
    assert read.id.dtype == read.index_of([1]).dtype == np.int64
    assert len(read) == 3


def test_what_has_no_stock_is_not_sold_and_what_is_not_tracked_is(shop):
    free, gone, oversold = (ProductFactory(shop=shop) for _ in range(3))
    StockLevelFactory(shop=shop, product=gone, on_hand=2, reserved=2)
    StockLevelFactory(shop=shop, product=oversold, on_hand=-1)
    read = load(shop.pk)
    assert read.id[read.sellable].tolist() == [free.pk]


def test_places_are_found_by_id_and_external_id(shop):
    products = [ProductFactory(shop=shop) for _ in range(4)]
    read = load(shop.pk)
    ids = [products[2].pk, 0, products[0].pk, products[3].pk + 1]
    assert read.index_of(ids).tolist() == [2, -1, 0, -1]
    assert read.index_of(np.array([], dtype=np.int64)).tolist() == []
    assert read.index_of_external([products[1].external_id, "none"]).tolist() == [1, -1]


def test_an_empty_shop_has_an_empty_catalogue(shop):
    read = load(shop.pk)
    assert len(read) == 0
    assert read.index_of([1, 2]).tolist() == [-1, -1]
    assert read.in_category("A").tolist() == []
    same(reload(shop.pk, read), read)


def test_a_category_holds_what_lies_below_it(shop):
    for path in ("A", "A > B", "A > B > C", "A > BC", "AB", ""):
        ProductFactory(shop=shop, category=path)
    read = load(shop.pk)

    def inside(path):
        return [read.categories[code] for code in read.category[read.in_category(path)]]

    assert inside("A") == ["A", "A > B", "A > B > C", "A > BC"]
    assert inside("A > B") == ["A > B", "A > B > C"]
    assert inside("B") == []


def test_arrays_can_t_be_written(shop):
    ProductFactory(shop=shop)
    with pytest.raises(ValueError, match="read-only"):
        load(shop.pk).price[0] = 1


def test_a_price_change_rereads_one_product_and_keeps_the_other_columns(shop, full_loads, monkeypatch):
    products = [ProductFactory(shop=shop) for _ in range(3)]
    old = load(shop.pk)
    monkeypatch.setattr(catalogue, "_ROWS", catalogue._ROWS.replace("{these}", "{these} AND p.price = 5"))
    products[1].price = 5
    products[1].save()
    Product.objects.exclude(pk=products[1].pk).update(updated_at=old.since.replace(year=2000))
    new = reload(shop.pk, old)
    assert new.price.tolist() == [19.99, 5, 19.99]
    assert new.id is old.id
    assert new.title is old.title
    assert old.price.tolist() == [19.99] * 3
    assert full_loads == []


@pytest.mark.parametrize(
    "behind_its_back",
    [
        lambda shop, products: products[0].delete(),
        lambda shop, products: Product.objects.filter(pk=products[1].pk).update(price=1),
        lambda shop, products: Product.objects.filter(pk=products[1].pk).update(active=False),
        lambda shop, products: StockLevel.objects.filter(product=products[2]).delete(),
        lambda shop, products: StockLevel.objects.filter(product=products[2]).update(on_hand=0),
    ],
)
def test_what_passes_updated_at_by_shows_in_the_totals(shop, full_loads, behind_its_back):
    products = [ProductFactory(shop=shop) for _ in range(3)]
    StockLevelFactory(shop=shop, product=products[2])
    old = load(shop.pk)
    for model in (Product, StockLevel):
        model.objects.of(shop).update(updated_at=old.since.replace(year=2000))
    behind_its_back(shop, products)
    same(reload(shop.pk, old), load(shop.pk))
    assert full_loads == [shop.pk]


STEP = st.tuples(
    st.sampled_from(["price", "title", "category", "brand", "active", "stock", "add", "bulk", "delete", "nothing"]),
    st.integers(0, 5),
    st.sampled_from(["", "A", "A > B", "Z"]),
    st.none() | st.decimals(0, 1000, places=4),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(STEP, max_size=4), max_size=4))
def test_rereading_what_changed_equals_reading_all(rounds):
    shop = ShopFactory()
    location, numbers = LocationFactory(shop=shop), itertools.count()
    for _ in range(3):
        ProductFactory(shop=shop)
    held = load(shop.pk)
    for steps in rounds:
        for what, which, text, price in steps:
            products = list(Product.objects.of(shop).order_by("pk"))
            product = products[which % len(products)] if products else None
            if what == "add" or product is None:
                ProductFactory(shop=shop, category=text, brand=text, price=price)
            elif what == "bulk":
                rows = [(shop.pk, name, text, price) for name in (product.external_id, f"new-{next(numbers)}")]
                upsert(Product, ("shop", "external_id", "title", "price"), rows, key=("shop", "external_id"))
            elif what == "stock":
                row = (shop.pk, product.pk, location.pk, price or 0)
                upsert(StockLevel, ("shop", "product", "location", "on_hand"), [row], key=("product", "location"))
            elif what == "delete":
                product.delete()
            elif what == "active":
                product.active = not product.active
                product.save()
            elif what != "nothing":
                setattr(product, what, price if what == "price" else text)
                product.save()
        held = reload(shop.pk, held)
        same(held, load(shop.pk))


def test_it_stays_warm_until_a_writer_says_so(shop, django_assert_num_queries):
    product = ProductFactory(shop=shop, price=1)
    assert catalogue_of(shop.pk).price.tolist() == [1]
    product.price = 2
    product.save()
    with django_assert_num_queries(0):
        assert catalogue_of(shop.pk).price.tolist() == [1]
    bump("catalogue", shop)
    refresher.poll()
    with django_assert_num_queries(0):
        assert catalogue_of(shop.pk).price.tolist() == [2]


def test_shops_see_their_own(shop):
    product = ProductFactory(shop=shop)
    other = ShopFactory()
    assert catalogue_of(shop.pk).id.tolist() == [product.pk]
    assert len(catalogue_of(other.pk)) == 0
