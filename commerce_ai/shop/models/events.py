"""What visitors did: one row an event, in month partitions, and the keys that keep a resend out."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from commerce_ai.ids import uuid7
from commerce_ai.shop import partitions
from commerce_ai.shop.models.goods import Product
from commerce_ai.shop.models.people import Customer
from commerce_ai.shop.models.tenancy import Shop, ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal

# Paths of `Event.context`; what else a sender says of the context is not kept.
KEPT_OF_CONTEXT = (
    "path", "url", "referrer", "title", "campaign", "locale", "timezone", "user_agent", "device", "os", "app", "screen",
    "consent",
)  # fmt: skip


class EventKey(models.Model):
    """A message that was received: a second one by the same id is a resend, whatever its timestamp.

    `received_on` is the (UTC) day of the event's id, by which keys leave together with the event's partition.
    """

    pk = models.CompositePrimaryKey("shop", "message_id")
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    message_id = models.CharField(max_length=255)
    received_on = models.DateField()

    class Meta:
        verbose_name, verbose_name_plural = _("event key"), _("event keys")
        # Rows come in the order of their day: a few pages of index find what to prune.
        indexes = [BrinIndex(fields=["received_on"], name="shop_eventkey_received_on")]

    def __str__(self) -> str:
        return self.message_id


class Event(ShopModel):
    """One event, in the words of the Segment e-commerce spec v2. Rows are written once and never changed.

    `id` is a UUIDv7 of the instant it was received (imports: of the event itself) and the partition key. `user_id`
    is the customer as the sender named them; `customer` is filled only where the sender could prove it. Readers
    who want a visitor's whole history resolve `anonymous_id` through Identity. Nothing here is referenced by a
    database constraint, so that months can be loaded and dropped alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    shop = models.ForeignKey(
        Shop, models.CASCADE, verbose_name=_("shop"), related_name="+", db_index=False, db_constraint=False
    )
    kind = models.CharField(
        _("kind"), max_length=16, default="track", help_text=_("track, page, screen, identify, group or alias.")
    )
    name = models.CharField(_("name"), max_length=255)
    message_id = models.CharField(_("message id"), max_length=255)
    anonymous_id = models.CharField(_("anonymous id"), max_length=255, blank=True, default="")
    user_id = models.CharField(_("user id"), max_length=255, blank=True, default="")
    customer = models.ForeignKey(
        Customer, models.DO_NOTHING, verbose_name=_("customer"), related_name="+", null=True, blank=True,
        db_index=False, db_constraint=False,
    )  # fmt: skip
    session_id = models.CharField(_("session id"), max_length=255, blank=True, default="")
    product = models.ForeignKey(
        Product, models.DO_NOTHING, verbose_name=_("product"), related_name="+", null=True, blank=True,
        db_index=False, db_constraint=False,
    )  # fmt: skip
    decision_id = models.UUIDField(_("decision"), null=True, blank=True)
    properties = models.JSONField(_("properties"), default=dict, blank=True)
    context = models.JSONField(_("context"), default=dict, blank=True, help_text=_("Page, campaign, device."))
    platform = models.CharField(_("platform"), max_length=64, blank=True, default="")
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"))

    handling = Handling(Basis.INTEREST, Keep.MONTHS)
    personal = {
        "anonymous_id": "ties a visitor's events together",
        "user_id": "ties events to the customer",
        "customer": "ties events to the customer",
        "session_id": "ties a visit's events together",
        "name": "what the visitor did; of a page, which one",
        "properties": "what the visitor did",
        "context": Personal("page, campaign and device of the visit", paths=KEPT_OF_CONTEXT),
    }

    class Meta:
        verbose_name, verbose_name_plural = _("event"), _("events")
        indexes = [
            # Each costs the ingest path a little: only what a reader can't do without.
            models.Index(fields=["customer", "id"], name="shop_event_customer", condition=Q(customer__isnull=False)),
            models.Index(fields=["shop", "anonymous_id", "id"], name="shop_event_anonymous"),
            models.Index(fields=["product", "id"], name="shop_event_product", condition=Q(product__isnull=False)),
            models.Index(fields=["decision_id"], name="shop_event_decision", condition=Q(decision_id__isnull=False)),
            models.Index(fields=["shop", "id"], name="shop_event_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


partitions.register(Event, keys=EventKey, keys_day="received_on")
