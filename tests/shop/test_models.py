"""What the database itself refuses, whichever way a row is written."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import RestrictedError

from commerce_ai.shop import contact
from commerce_ai.shop.models import Customer, Event, Label, Product, Shop, ShopModel
from tests import factories
from tests.factories import BEGINNING, CustomerFactory, ProductFactory, ShopFactory

pytestmark = pytest.mark.django_db

TABLES = [model for model in apps.get_app_config("shop").get_models() if issubclass(model, ShopModel)]
FACTORIES = [
    each for each in vars(factories).values()
    if isinstance(each, type) and issubclass(each, factories.InShop) and each is not factories.InShop
]  # fmt: skip


def refused(name, make, **fields):
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        make(**fields)


@pytest.mark.parametrize("make", FACTORIES, ids=lambda make: make._meta.model.__name__)
def test_every_table_takes_a_row_of_one_shop_and_shows_it(make):
    row = make()
    model = type(row)
    assert list(model.objects.of(row.shop)) == list(model.objects.of(row.shop_id)) == [row]
    assert not model.objects.of(ShopFactory()).exists()
    assert str(row)
    for field in model._meta.concrete_fields:
        if field.is_relation and field.name not in ("shop", "user", "by") and (other := getattr(row, field.name)):
            assert other.shop_id == row.shop_id, field.name


def test_every_table_has_a_factory():
    assert {make._meta.model for make in FACTORIES} == set(TABLES)


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_declarations_name_columns(model):
    columns = {field.name for field in model._meta.concrete_fields}
    assert set(model.personal) <= columns
    assert all(model.personal.values())
    assert str(model._meta.verbose_name)


@pytest.mark.parametrize("model", [m for m in TABLES if any(f.name == "external_id" for f in m._meta.fields)])
def test_an_external_id_is_unique_in_its_shop_alone(model):
    make = next(each for each in FACTORIES if each._meta.model is model)
    row = make(external_id="A1")
    make(external_id="A1")
    refused("external_id", make, shop=row.shop, external_id="A1")
    refused("external_id_given", make, shop=row.shop, external_id="")


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_every_table_is_found_by_its_shop(model):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
            " WHERE indrelid = %s::regclass AND attname = 'shop_id'",
            [model._meta.db_table],
        )
        assert cursor.fetchone()[0], "no index starts with the shop"


def test_migrations_say_what_the_models_say():
    call_command("makemigrations", "shop", "--check", "--dry-run", verbosity=0)


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (factories.ProductFactory, {"price": Decimal(-1)}),
        (factories.ProductFactory, {"cost": Decimal("-0.01")}),
        (factories.PriceChangeFactory, {"price": Decimal(-1)}),
        (factories.OrderFactory, {"total": Decimal(-1)}),
        (factories.OrderLineFactory, {"quantity": Decimal(0)}),
        (factories.OrderLineFactory, {"unit_price": Decimal(-1)}),
        (factories.ReturnFactory, {"quantity": Decimal(-1)}),
        (factories.PaymentFactory, {"amount": Decimal(-1)}),
        (factories.StockLevelFactory, {"reserved": Decimal(-1)}),
        (factories.SupplierFactory, {"order_multiple": Decimal(0)}),
        (factories.SupplierFactory, {"lead_time_days": -1.0}),
        (factories.PurchaseOrderLineFactory, {"quantity": Decimal(0)}),
        (factories.AdSpendFactory, {"clicks": -1}),
        (factories.ReviewFactory, {"rating": 6}),
        (factories.ReviewFactory, {"rating": 0}),
        (factories.CustomerFactory, {"birth_year": 1700}),
        (factories.CustomerFactory, {"gender": "x"}),
        (factories.CustomerFactory, {"country": "de"}),
        (factories.ShopFactory, {"currency": "eur"}),
        (factories.OrderFactory, {"currency": "EURO"[:3].lower()}),
        (factories.OrderFactory, {"door": 4}),
        (factories.CustomerScoreFactory, {"churn": 1.1}),
        (factories.ProductSignalFactory, {"sentiment": -1.1}),
        (factories.PriceResponseFactory, {"elasticity": -3.0}),
        (factories.DemandForecastFactory, {"q50": 7.0}),
        (factories.DemandForecastFactory, {"q05": -1.0}),
        (factories.ConsentFactory, {"customer": None}),
        (factories.LabelFactory, {"text": ""}),
        (factories.LabelFactory, {"subject_type": Label.Subject.ORDER}),
        (factories.ChargebackFactory, {"known_at": BEGINNING - timedelta(days=1)}),
        (factories.ChargebackFactory, {"order": None}),
        (factories.PriceChangeFactory, {"ends_at": BEGINNING - timedelta(days=1)}),
        (factories.PromotionFactory, {"ends_at": BEGINNING - timedelta(days=1)}),
        (factories.IdentityFactory, {"anonymous_id": ""}),
    ],
)
def test_values_out_of_range_are_refused(make, fields):
    refused("shop_", make, **fields)


def test_a_product_is_not_its_own_parent_and_groups_have_none():
    group = ProductFactory(is_group=True)
    variant = ProductFactory(shop=group.shop, parent=group)
    assert list(group.variants.all()) == [variant]
    refused("group_has_no_parent", ProductFactory, shop=group.shop, parent=group, is_group=True)
    variant.parent = variant
    refused("not_its_own_parent", variant.save)


def test_an_anonymous_id_is_at_most_one_proven_and_one_claimed_customer():
    identity = factories.IdentityFactory(anonymous_id="v", proven=True)
    factories.IdentityFactory(shop=identity.shop, anonymous_id="v", proven=False)
    refused("identity_once", factories.IdentityFactory, shop=identity.shop, anonymous_id="v", proven=True)


def test_one_supplier_is_preferred():
    supplied = factories.SupplierProductFactory()
    refused(
        "one_preferred", factories.SupplierProductFactory, shop=supplied.shop, product=supplied.product, preferred=True
    )
    factories.SupplierProductFactory(shop=supplied.shop, product=supplied.product, preferred=False)


def test_a_forecast_over_all_locations_is_one_row_a_day():
    forecast = factories.DemandForecastFactory()
    same = {"shop": forecast.shop, "product": forecast.product, "day": forecast.day}
    refused("demandforecast_once", factories.DemandForecastFactory, **same)
    factories.DemandForecastFactory(location=factories.LocationFactory(shop=forecast.shop), **same)


def test_a_tie_is_of_two_people():
    tie = factories.SocialTieFactory()
    refused("of_two", factories.SocialTieFactory, shop=tie.shop, customer=tie.customer, other=tie.customer)


def test_hashes_follow_the_encrypted_contact():
    customer = CustomerFactory(email=" Ada@Example.ORG ", phone="+49 (0)30 123-456")
    assert Customer.objects.of(customer.shop).get(email_hash=contact.email_hash("ada@example.org")) == customer
    assert Customer.objects.of(customer.shop).get(phone_hash=contact.phone_hash("0049 30 123456")) == customer
    customer.email = ""
    customer.save(update_fields=["email"])
    customer.refresh_from_db()
    assert customer.email_hash is None
    assert customer.phone_hash is not None


def test_a_shop_takes_all_its_rows_along():
    customer = CustomerFactory()
    factories.EventFactory(shop=customer.shop, customer=customer)
    factories.OrderLineFactory(shop=customer.shop)
    factories.PurchaseOrderLineFactory(shop=customer.shop)
    customer.shop.delete()
    assert not Event.objects.exists()
    assert not Product.objects.exists()
    assert not Customer.objects.exists()


def test_a_supplier_with_purchase_orders_stays():
    purchase = factories.PurchaseOrderFactory()
    with pytest.raises(RestrictedError):
        purchase.supplier.delete()


def test_a_shop_s_time_zone_is_checked():
    with pytest.raises(ValidationError, match="Mars/Base"):
        Shop(slug="x", name="X", timezone="Mars/Base").full_clean()
    assert ShopFactory().tz.key == "Europe/Berlin"
