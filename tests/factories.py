"""Rows for tests. Every factory makes the shop, customer or product it needs, all of them in one shop if given one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import factory
from django.contrib.auth import get_user_model
from factory.django import DjangoModelFactory

from commerce_ai.ids import uuid7
from commerce_ai.shop import models

BEGINNING = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _now(_row: object = None) -> datetime:
    return datetime.now(UTC)


class UserFactory(DjangoModelFactory):
    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence("person-{}".format)
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")
    is_staff = True
    password = factory.django.Password("secret")


class ShopFactory(DjangoModelFactory):
    class Meta:
        model = models.Shop

    slug = factory.Sequence("shop-{}".format)
    name = factory.LazyAttribute(lambda shop: shop.slug.title())
    currency = "EUR"
    timezone = "Europe/Berlin"


class InShop(DjangoModelFactory):
    class Meta:
        abstract = True

    shop = factory.SubFactory(ShopFactory)


def in_shop(factory_class: str | type[InShop], **fields: object) -> factory.SubFactory:
    """A row of the same shop."""
    return factory.SubFactory(factory_class, shop=factory.SelfAttribute("..shop"), **fields)


class ShopMemberFactory(InShop):
    class Meta:
        model = models.ShopMember

    user = factory.SubFactory(UserFactory)
    role = models.ShopMember.Role.OWNER


class CustomerFactory(InShop):
    class Meta:
        model = models.Customer

    external_id = factory.Sequence("customer-{}".format)
    email = factory.LazyAttribute(lambda customer: f"{customer.external_id}@example.org")
    name = factory.Sequence("Customer Number {}".format)
    country = "DE"
    birth_year = 1985


class IdentityFactory(InShop):
    class Meta:
        model = models.Identity

    anonymous_id = factory.Sequence("visitor-{}".format)
    customer = in_shop(CustomerFactory)
    proven = True


class ConsentFactory(InShop):
    class Meta:
        model = models.Consent

    customer = in_shop(CustomerFactory)
    purpose = "personalisation"
    granted = True


class TombstoneFactory(InShop):
    class Meta:
        model = models.Tombstone

    kind = models.Tombstone.Kind.CUSTOMER
    hash = factory.Sequence(lambda n: n.to_bytes(32))


class SocialTieFactory(InShop):
    class Meta:
        model = models.SocialTie

    customer = in_shop(CustomerFactory)
    other = in_shop(CustomerFactory)
    kind = models.SocialTie.Kind.REFERRAL


class ProductFactory(InShop):
    class Meta:
        model = models.Product

    external_id = factory.Sequence("sku-{}".format)
    title = factory.LazyAttribute(lambda product: f"Product {product.external_id}")
    description = "A thing that a shop sells."
    category = "Home > Kitchen"
    brand = "Acme"
    price = Decimal("19.99")
    cost = Decimal("8.00")
    created_at = BEGINNING


class PriceChangeFactory(InShop):
    class Meta:
        model = models.PriceChange

    product = in_shop(ProductFactory)
    price = Decimal("17.99")
    previous_price = Decimal("19.99")
    starts_at = factory.Sequence(lambda n: BEGINNING + timedelta(hours=n))


class CompetitorPriceFactory(InShop):
    class Meta:
        model = models.CompetitorPrice

    product = in_shop(ProductFactory)
    competitor = "Other Shop"
    price = Decimal("18.99")
    seen_at = factory.Sequence(lambda n: BEGINNING + timedelta(hours=n))


class PromotionFactory(InShop):
    class Meta:
        model = models.Promotion

    external_id = factory.Sequence("promotion-{}".format)
    name = "Summer sale"
    value = Decimal(20)
    starts_at = BEGINNING
    ends_at = BEGINNING + timedelta(days=14)


class PromotionProductFactory(InShop):
    class Meta:
        model = models.PromotionProduct

    promotion = in_shop(PromotionFactory)
    product = in_shop(ProductFactory)


class LocationFactory(InShop):
    class Meta:
        model = models.Location

    external_id = factory.Sequence("location-{}".format)
    name = "Warehouse"


class StockLevelFactory(InShop):
    class Meta:
        model = models.StockLevel

    product = in_shop(ProductFactory)
    location = in_shop(LocationFactory)
    on_hand = Decimal(10)


class StockMovementFactory(InShop):
    class Meta:
        model = models.StockMovement

    external_id = factory.Sequence("movement-{}".format)
    product = in_shop(ProductFactory)
    location = in_shop(LocationFactory)
    kind = models.StockMovement.Kind.SALE
    quantity = Decimal(-1)


class SupplierFactory(InShop):
    class Meta:
        model = models.Supplier

    external_id = factory.Sequence("supplier-{}".format)
    name = "Supplier"
    lead_time_days = 7.0
    lead_time_sd_days = 2.0


class SupplierProductFactory(InShop):
    class Meta:
        model = models.SupplierProduct

    supplier = in_shop(SupplierFactory)
    product = in_shop(ProductFactory)
    unit_cost = Decimal("8.00")


class PurchaseOrderFactory(InShop):
    class Meta:
        model = models.PurchaseOrder

    external_id = factory.Sequence("purchase-{}".format)
    supplier = in_shop(SupplierFactory)
    location = in_shop(LocationFactory)


class PurchaseOrderLineFactory(InShop):
    class Meta:
        model = models.PurchaseOrderLine

    purchase_order = in_shop(PurchaseOrderFactory)
    position = factory.Sequence(int)
    product = in_shop(ProductFactory)
    quantity = Decimal(12)


class EventFactory(InShop):
    """An event of now, so that its partition is there."""

    class Meta:
        model = models.Event

    id = factory.LazyFunction(uuid7)
    name = "Product Viewed"
    message_id = factory.LazyAttribute(lambda event: str(event.id))
    anonymous_id = factory.Sequence("visitor-{}".format)
    occurred_at = factory.LazyFunction(_now)
    received_at = factory.LazyAttribute(lambda event: event.occurred_at)


class OrderFactory(InShop):
    class Meta:
        model = models.Order

    external_id = factory.Sequence("order-{}".format)
    customer = in_shop(CustomerFactory)
    currency = "EUR"
    total = Decimal("39.98")
    placed_at = factory.LazyFunction(_now)


class OrderLineFactory(InShop):
    class Meta:
        model = models.OrderLine

    order = in_shop(OrderFactory)
    position = factory.Sequence(int)
    product = in_shop(ProductFactory)
    sku = factory.LazyAttribute(lambda line: line.product.external_id if line.product else "gone")
    quantity = Decimal(2)
    unit_price = Decimal("19.99")


class PaymentFactory(InShop):
    class Meta:
        model = models.Payment

    external_id = factory.Sequence("payment-{}".format)
    order = in_shop(OrderFactory)
    customer = factory.SelfAttribute("order.customer")
    status = models.Payment.Status.CAPTURED
    currency = "EUR"
    amount = Decimal("39.98")
    ip = "203.0.113.7"


class ChargebackFactory(InShop):
    class Meta:
        model = models.Chargeback

    external_id = factory.Sequence("chargeback-{}".format)
    order = in_shop(OrderFactory)
    amount = Decimal("39.98")
    currency = "EUR"
    occurred_at = BEGINNING
    known_at = BEGINNING + timedelta(days=30)


class RefundFactory(InShop):
    class Meta:
        model = models.Refund

    external_id = factory.Sequence("refund-{}".format)
    order = in_shop(OrderFactory)
    amount = Decimal("19.99")
    currency = "EUR"


class ShipmentFactory(InShop):
    class Meta:
        model = models.Shipment

    external_id = factory.Sequence("shipment-{}".format)
    order = in_shop(OrderFactory)


class ReturnFactory(InShop):
    class Meta:
        model = models.Return

    external_id = factory.Sequence("return-{}".format)
    order = in_shop(OrderFactory)
    product = in_shop(ProductFactory)
    quantity = Decimal(1)


class CampaignFactory(InShop):
    class Meta:
        model = models.Campaign

    external_id = factory.Sequence("campaign-{}".format)
    name = "Spring"
    channel = "search"


class AdSpendFactory(InShop):
    class Meta:
        model = models.AdSpend

    campaign = in_shop(CampaignFactory)
    day = factory.Sequence(lambda n: date(2026, 1, 1) + timedelta(days=n))
    impressions = 1000
    clicks = 30
    cost = Decimal("12.50")


class ReviewFactory(InShop):
    class Meta:
        model = models.Review

    external_id = factory.Sequence("review-{}".format)
    product = in_shop(ProductFactory)
    rating = 4
    text = "Does what it should."


class MentionFactory(InShop):
    class Meta:
        model = models.Mention

    external_id = factory.Sequence("mention-{}".format)
    platform = "news"
    text = "The shop opened a second store."


class ConversationFactory(InShop):
    class Meta:
        model = models.Conversation

    external_id = factory.Sequence("conversation-{}".format)
    customer = in_shop(CustomerFactory)
    subject = "Where is my order?"


class MessageFactory(InShop):
    class Meta:
        model = models.Message

    external_id = factory.Sequence("message-{}".format)
    conversation = in_shop(ConversationFactory)
    role = models.Message.Role.CUSTOMER
    text = "Where is my order?"


class ArticleFactory(InShop):
    class Meta:
        model = models.Article

    external_id = factory.Sequence("article-{}".format)
    title = "Delivery"
    body = "We deliver within three days."


class LabelFactory(InShop):
    class Meta:
        model = models.Label

    task = "sentiment"
    subject_type = models.Label.Subject.TEXT
    text = "Lovely."
    value = "positive"


class DailyMetricFactory(InShop):
    class Meta:
        model = models.DailyMetric

    day = factory.Sequence(lambda n: date(2026, 1, 1) + timedelta(days=n))
    name = "revenue"
    value = 100.0


class DemandForecastFactory(InShop):
    class Meta:
        model = models.DemandForecast

    product = in_shop(ProductFactory)
    day = factory.Sequence(lambda n: date(2026, 1, 1) + timedelta(days=n))
    as_of = BEGINNING
    mean = 4.5
    q05, q10, q25, q50, q75, q90, q95, q99 = 0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 9.0, 12.0


class PricePlanFactory(InShop):
    class Meta:
        model = models.PricePlan

    product = in_shop(ProductFactory)
    starts_on = factory.Sequence(lambda n: date(2026, 1, 1) + timedelta(days=n))
    price = Decimal("18.99")
    as_of = BEGINNING


class PriceResponseFactory(InShop):
    class Meta:
        model = models.PriceResponse

    product = in_shop(ProductFactory)
    elasticity, low, high = -1.8, -2.2, -1.4
    as_of = BEGINNING


class StockOutlookFactory(InShop):
    class Meta:
        model = models.StockOutlook

    product = in_shop(ProductFactory)
    days_of_cover = 12.0
    as_of = BEGINNING


class CustomerScoreFactory(InShop):
    class Meta:
        model = models.CustomerScore

    customer = in_shop(CustomerFactory)
    value, churn, segment = 120.0, 0.2, "loyal"
    as_of = BEGINNING


class ProductSignalFactory(InShop):
    class Meta:
        model = models.ProductSignal

    product = in_shop(ProductFactory)
    sentiment, quality = 0.4, 0.8
    as_of = BEGINNING
