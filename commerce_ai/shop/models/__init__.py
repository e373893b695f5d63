"""Every table of the shop. Each row belongs to one shop; `external_id` is the outside world's name for a row."""

from commerce_ai.shop.models.campaigns import AdSpend, Campaign
from commerce_ai.shop.models.deliveries import Return, Shipment
from commerce_ai.shop.models.erased import Tombstone
from commerce_ai.shop.models.events import Event, EventKey
from commerce_ai.shop.models.goods import (
    CompetitorPrice,
    PriceChange,
    Product,
    Promotion,
    PromotionProduct,
)
from commerce_ai.shop.models.orders import Door, Order, OrderLine
from commerce_ai.shop.models.payments import Chargeback, Payment, Refund
from commerce_ai.shop.models.people import Consent, Customer, Identity, SocialTie
from commerce_ai.shop.models.published import (
    CustomerScore,
    DemandForecast,
    PricePlan,
    PriceResponse,
    ProductSignal,
    StockOutlook,
)
from commerce_ai.shop.models.stock import (
    Location,
    PurchaseOrder,
    PurchaseOrderLine,
    StockLevel,
    StockMovement,
    Supplier,
    SupplierProduct,
)
from commerce_ai.shop.models.summaries import DailyMetric
from commerce_ai.shop.models.tenancy import Revision, Shop, ShopMember, ShopModel, ShopQuerySet
from commerce_ai.shop.models.words import Article, Conversation, Label, Mention, Message, Review

__all__ = [
    "AdSpend",
    "Article",
    "Campaign",
    "Chargeback",
    "CompetitorPrice",
    "Consent",
    "Conversation",
    "Customer",
    "CustomerScore",
    "DailyMetric",
    "DemandForecast",
    "Door",
    "Event",
    "EventKey",
    "Identity",
    "Label",
    "Location",
    "Mention",
    "Message",
    "Order",
    "OrderLine",
    "Payment",
    "PriceChange",
    "PricePlan",
    "PriceResponse",
    "Product",
    "ProductSignal",
    "Promotion",
    "PromotionProduct",
    "PurchaseOrder",
    "PurchaseOrderLine",
    "Refund",
    "Return",
    "Review",
    "Revision",
    "Shipment",
    "Shop",
    "ShopMember",
    "ShopModel",
    "ShopQuerySet",
    "SocialTie",
    "StockLevel",
    "StockMovement",
    "StockOutlook",
    "Supplier",
    "SupplierProduct",
    "Tombstone",
]
