"""What is sold and at which price: products, price history, competitors' prices, promotions."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.tenancy import ShopModel


class Product(ShopModel):
    """One sellable SKU, priced in the shop's currency. `parent` groups variants; a group itself is not sold."""

    external_id = columns.external_id()
    parent = models.ForeignKey(
        "self", models.SET_NULL, verbose_name=_("parent"), null=True, blank=True, related_name="variants"
    )
    is_group = models.BooleanField(_("group of variants"), default=False)
    title = models.CharField(_("title"), max_length=500)
    description = models.TextField(_("description"), blank=True, default="")
    category = models.CharField(
        _("category"), max_length=500, blank=True, default="", help_text=_("A path, as in Home > Kitchen > Mugs.")
    )
    brand = models.CharField(_("brand"), max_length=200, blank=True, default="")
    price = columns.money(_("price"), null=True, blank=True)
    cost = columns.money(_("cost"), null=True, blank=True)
    url = models.CharField(_("page"), max_length=2000, blank=True, default="")
    image_url = models.CharField(_("image"), max_length=2000, blank=True, default="")
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    tags = ArrayField(models.CharField(max_length=100), verbose_name=_("tags"), default=list, blank=True)
    gtin = models.CharField("GTIN", max_length=14, blank=True, default="", help_text=_("EAN, UPC or ISBN."))
    active = models.BooleanField(_("active"), default=True)
    source = columns.source()
    created_at = models.DateTimeField(_("on sale since"), default=now)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("product"), _("products")
        constraints = [
            columns.outside_key("product"),
            columns.named_outside("product"),
            *columns.not_negative("product", "price", "cost"),
            models.CheckConstraint(condition=~Q(parent=F("id")), name="shop_product_not_its_own_parent"),
            models.CheckConstraint(
                condition=Q(is_group=False) | Q(parent__isnull=True), name="shop_product_group_has_no_parent"
            ),
        ]
        indexes = [
            models.Index(fields=["shop", "updated_at"], name="shop_product_updated"),
            models.Index(fields=["shop", "category"], name="shop_product_category"),
            models.Index(fields=["shop", "gtin"], name="shop_product_gtin", condition=~Q(gtin="")),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class PriceChange(ShopModel):
    """A price that holds from an instant on. Whoever writes one that holds now also writes `Product.price`.

    A *reduction* is announced to customers; `prior_price` is then the lowest of the thirty days before, which
    European law (Directive 98/6/EC, article 6a) wants shown beside it.
    """

    class Kind(models.TextChoices):
        CHANGE = "change", _("change")
        REDUCTION = "reduction", _("announced reduction")

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    kind = models.CharField(_("kind"), max_length=16, choices=Kind, default=Kind.CHANGE)
    price = columns.money(_("price"))
    previous_price = columns.money(_("previous price"), null=True, blank=True)
    prior_price = columns.money(_("lowest price of the last 30 days"), null=True, blank=True)
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    announced_at = models.DateTimeField(_("announced at"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True, default="")
    decision_id = models.UUIDField(_("decision"), null=True, blank=True)
    source = columns.source()
    created_at = models.DateTimeField(_("recorded at"), default=now, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("price change"), _("price changes")
        constraints = [
            models.UniqueConstraint(fields=["product", "starts_at", "kind"], name="shop_pricechange_once"),
            columns.in_order("pricechange", "starts_at", "ends_at"),
            *columns.not_negative("pricechange", "price", "previous_price", "prior_price"),
        ]
        indexes = [models.Index(fields=["shop", "starts_at"], name="shop_pricechange_shop")]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.price}"


class CompetitorPrice(ShopModel):
    """What a competitor asked for the same product at an instant, in the shop's currency."""

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    competitor = models.CharField(_("competitor"), max_length=200)
    price = columns.money(_("price"))
    shipping = columns.money(_("shipping"), null=True, blank=True)
    in_stock = models.BooleanField(_("in stock"), null=True, blank=True)
    url = models.CharField(_("page"), max_length=2000, blank=True, default="")
    seen_at = models.DateTimeField(_("seen at"), default=now)
    source = columns.source()

    class Meta:
        verbose_name, verbose_name_plural = _("competitor price"), _("competitor prices")
        constraints = [
            models.UniqueConstraint(fields=["product", "competitor", "seen_at"], name="shop_competitorprice_once"),
            *columns.not_negative("competitorprice", "price", "shipping"),
        ]
        indexes = [models.Index(fields=["shop", "seen_at"], name="shop_competitorprice_shop")]

    def __str__(self) -> str:
        return f"{self.competitor}: {self.price}"


class Promotion(ShopModel):
    """A reduction for a time: on products (PromotionProduct), a category and all below it, or the whole basket."""

    class Kind(models.TextChoices):
        PERCENT = "percent", _("percent off")
        AMOUNT = "amount", _("amount off")
        BUNDLE = "bundle", _("bundle")
        SHIPPING = "shipping", _("free shipping")
        GIFT = "gift", _("gift")
        DISPLAY = "display", _("display only")

    external_id = columns.external_id()
    name = models.CharField(_("name"), max_length=255)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind, default=Kind.PERCENT)
    value = columns.money(_("value"), null=True, blank=True, help_text=_("Percent, or money in the shop's currency."))
    code = models.CharField(_("code"), max_length=64, blank=True, default="")
    category = models.CharField(_("category"), max_length=500, blank=True, default="")
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    conditions = models.JSONField(_("conditions"), default=dict, blank=True)
    active = models.BooleanField(_("active"), default=True)
    source = columns.source()
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("promotion"), _("promotions")
        constraints = [
            columns.outside_key("promotion"),
            columns.named_outside("promotion"),
            columns.in_order("promotion", "starts_at", "ends_at"),
            *columns.not_negative("promotion", "value"),
        ]
        indexes = [models.Index(fields=["shop", "starts_at"], name="shop_promotion_shop")]

    def __str__(self) -> str:
        return self.name


class PromotionProduct(ShopModel):
    """One product in a promotion, with its price there and how it was shown (flyer, front page, shelf end)."""

    promotion = models.ForeignKey(Promotion, models.CASCADE, verbose_name=_("promotion"), related_name="products")
    product = models.ForeignKey(Product, models.CASCADE, verbose_name=_("product"), related_name="+")
    price = columns.money(_("price"), null=True, blank=True)
    feature = models.CharField(_("shown in"), max_length=64, blank=True, default="")

    class Meta:
        verbose_name, verbose_name_plural = _("product in promotion"), _("products in promotions")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "promotion", "product", "feature"], name="shop_promotionproduct_once"
            ),
            *columns.not_negative("promotionproduct", "price"),
        ]

    def __str__(self) -> str:
        return f"{self.promotion_id}: {self.product_id}"
