"""The outbox of tracking, and what the projection must remember to give the same rows in whatever order they come."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.shop.models import Customer, ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep


class IngestBatch(ShopModel):
    """One accepted request: committed together with its events, and projected from them soon after.

    The events are those between `first_id` and `last_id` (the ids of a batch follow each other, so that no other
    event lies between), or, where ids carry the events' own times, those of `event_ids`. `contacts` holds what
    identifies people, by event id; it is emptied when the batch was projected.
    """

    door = models.CharField(_("door"), max_length=32, default="tracking")
    trusted = models.BooleanField(_("by secret key"), default=False)
    events = models.PositiveIntegerField(_("events"), default=0)
    duplicates = models.PositiveIntegerField(_("sent before"), default=0)
    rejected = models.PositiveIntegerField(_("rejected"), default=0)
    first_id = models.UUIDField(_("first event"), null=True, blank=True)
    last_id = models.UUIDField(_("last event"), null=True, blank=True)
    event_ids = ArrayField(models.UUIDField(), verbose_name=_("event ids"), null=True, blank=True)
    contacts = EncryptedTextField(_("contacts"), blank=True, default="")
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    projected_at = models.DateTimeField(_("projected at"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    set_aside_at = models.DateTimeField(_("set aside at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True, default="")

    handling = Handling(Basis.CONTRACT, Keep.PROJECTED)
    personal = {"contacts": "on their way into the customer's row"}

    class Meta:
        verbose_name, verbose_name_plural = _("ingest batch"), _("ingest batches")
        indexes = [
            # The queue of the projection; it is empty most of the time.
            models.Index(
                fields=["id"],
                name="ingest_batch_queue",
                condition=Q(projected_at__isnull=True, set_aside_at__isnull=True),
            ),
            models.Index(fields=["shop", "-received_at"], name="ingest_batch_latest"),
            models.Index(fields=["set_aside_at"], name="ingest_batch_aside", condition=Q(set_aside_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.events}"


class CustomerTraits(ShopModel):
    """When each trait of a customer was last said by tracking, so that an old `identify` never undoes a newer one."""

    customer = models.OneToOneField(Customer, models.CASCADE, verbose_name=_("customer"), related_name="+")
    said_at = models.JSONField(_("said at"), default=dict, help_text=_("Trait to Unix milliseconds."))

    class Meta:
        verbose_name, verbose_name_plural = _("customer's traits"), _("customers' traits")
        indexes = [models.Index(fields=["shop"], name="ingest_traits_shop")]

    def __str__(self) -> str:
        return str(self.customer_id)


class TrackedOrder(ShopModel):
    """What tracking says of an order: its content and its status, each as last said. An `Order` follows from it.

    A refund may come before the order it is of, and a resend long after both: the last word by `occurred_at` counts
    for each half, whatever came first. What a secret key said (`…_trusted`) only a secret key changes.
    """

    external_id = models.CharField(_("external id"), max_length=255)
    content = models.JSONField(_("content"), null=True, blank=True)
    content_at = models.DateTimeField(_("content said at"), null=True, blank=True)
    content_trusted = models.BooleanField(_("content by secret key"), default=False)
    placed_at = models.DateTimeField(_("placed at"), null=True, blank=True)
    placed_trusted = models.BooleanField(_("instant by secret key"), default=False)
    status = models.CharField(_("status"), max_length=16, blank=True, default="")
    status_at = models.DateTimeField(_("status said at"), null=True, blank=True)
    status_trusted = models.BooleanField(_("status by secret key"), default=False)

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {"external_id": "tells orders apart", "content": "on its way into the order's row"}

    class Meta:
        verbose_name, verbose_name_plural = _("tracked order"), _("tracked orders")
        constraints = [models.UniqueConstraint(fields=["shop", "external_id"], name="ingest_trackedorder_once")]

    def __str__(self) -> str:
        return self.external_id


class DailyVisitor(models.Model):
    """Somebody who was there on a (shop's) day, as the keyed hash of their id: counted once, and nothing else."""

    pk = models.CompositePrimaryKey("shop", "day", "visitor")
    shop = models.ForeignKey("shop.Shop", models.CASCADE, related_name="+", db_index=False, verbose_name=_("shop"))
    day = models.DateField(_("day"))
    visitor = models.BigIntegerField(_("visitor"))

    class Meta:
        verbose_name, verbose_name_plural = _("day's visitor"), _("days' visitors")

    def __str__(self) -> str:
        return f"{self.day} {self.visitor}"
