"""Who was drawn into a campaign, what a campaign would do to whom, and audiences with every export of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop import bulk
from commerce_ai.shop.models import Campaign, Customer, ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep


class Assignment(ShopModel):
    """A customer whom a campaign that ran elsewhere reached or, by chance, left alone: what uplift is learned from.

    `propensity` is the probability with which the customer was to be reached; without one it is taken to be the
    share of the campaign's customers who were. Campaigns that run here leave decisions instead.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, verbose_name=_("campaign"), related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, verbose_name=_("customer"), related_name="+")
    treated = models.BooleanField(_("reached"))
    propensity = models.FloatField(_("probability of being reached"), null=True, blank=True)
    at = models.DateTimeField(_("at"), default=now)

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {"customer": "measures what a campaign does, beside customers it left alone"}

    class Meta:
        verbose_name, verbose_name_plural = _("campaign assignment"), _("campaign assignments")
        constraints = [
            models.UniqueConstraint(fields=["campaign", "customer"], name="advertising_assignment_once"),
            models.CheckConstraint(
                condition=Q(propensity__gt=0, propensity__lt=1) | Q(propensity=None),
                name="advertising_assignment_chance",
            ),
        ]
        indexes = [models.Index(fields=["shop", "at"], name="advertising_assignment_at")]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.customer_id}: {self.treated}"


class UpliftScore(ShopModel):
    """What a campaign would add to a customer's chance of ordering. No campaign: one that came after the training."""

    customer = models.ForeignKey(Customer, models.CASCADE, verbose_name=_("customer"), related_name="+", db_index=False)
    campaign = models.ForeignKey(Campaign, models.CASCADE, verbose_name=_("campaign"), related_name="+", null=True)
    uplift = models.FloatField(_("uplift"))
    response = models.FloatField(_("response if left alone"))
    version_id = models.BigIntegerField(_("version"))
    as_of = models.DateTimeField(_("as of"))

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {"uplift": "targeting", "response": "targeting"}

    class Meta:
        verbose_name, verbose_name_plural = _("uplift score"), _("uplift scores")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "campaign"], name="advertising_upliftscore_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["shop", "campaign", "uplift"], name="advertising_upliftscore_rank")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.uplift:.4f}"

    @classmethod
    @transaction.atomic
    def replace_all(cls, shop_id: int, frames: Iterable[Any]) -> int:
        """The shop's rows anew, from frames of customer_id, campaign_id, uplift, response, version_id, as_of."""
        cls.objects.of(shop_id).delete()
        columns = ("shop_id", "customer_id", "campaign_id", "uplift", "response", "version_id", "as_of")
        return sum(bulk.copy_rows(cls, columns, frame.with_columns(shop_id=shop_id)) for frame in frames)


class Audience(ShopModel):
    """Customers for an ad platform, found by a saved rule. Its members are those of the last build."""

    name = models.CharField(_("name"), max_length=200)
    segments = models.JSONField(_("segments"), default=list, blank=True)
    campaign = models.ForeignKey(
        Campaign, models.SET_NULL, verbose_name=_("campaign"), related_name="+", null=True, blank=True
    )
    top_share = models.FloatField(_("share with the highest uplift"), null=True, blank=True)
    minimum_value = models.FloatField(_("lowest expected value"), null=True, blank=True)
    size = models.PositiveIntegerField(_("customers"), default=0)
    extra_orders = models.FloatField(
        _("expected extra orders"), null=True, blank=True, help_text=_("Of all members, if the campaign reaches them.")
    )
    version_id = models.BigIntegerField(_("version"), null=True, blank=True)
    built_at = models.DateTimeField(_("built at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=now, editable=False)

    not_personal = {"name": "the shop's name for a rule", "segments": "names of segments, of no person"}

    class Meta:
        verbose_name, verbose_name_plural = _("audience"), _("audiences")
        constraints = [
            models.UniqueConstraint(fields=["shop", "name"], name="advertising_audience_name"),
            models.CheckConstraint(condition=~Q(name=""), name="advertising_audience_named"),
            models.CheckConstraint(
                condition=Q(top_share__gt=0, top_share__lte=1) | Q(top_share=None), name="advertising_audience_share"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @transaction.atomic
    def fill(self, customer_ids: list[int], extra_orders: float | None, version_id: int | None) -> None:
        """Replace the members by those of a new build."""
        Audience.objects.of(self.shop_id).select_for_update().get(pk=self.pk)  # one build after the other
        AudienceMember.objects.of(self.shop_id).filter(audience=self).delete()
        rows = [(self.shop_id, self.pk, customer) for customer in customer_ids]
        bulk.copy_rows(AudienceMember, ("shop_id", "audience_id", "customer_id"), rows)
        self.size, self.extra_orders, self.version_id = len(rows), extra_orders, version_id
        self.built_at = now()
        self.save(update_fields=["size", "extra_orders", "version_id", "built_at"])


class AudienceMember(ShopModel):
    audience = models.ForeignKey(Audience, models.CASCADE, verbose_name=_("audience"), related_name="members")
    customer = models.ForeignKey(Customer, models.CASCADE, verbose_name=_("customer"), related_name="+")

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {"customer": "targeting"}

    class Meta:
        verbose_name, verbose_name_plural = _("audience member"), _("audience members")
        constraints = [
            models.UniqueConstraint(fields=["shop", "audience", "customer"], name="advertising_audiencemember_once")
        ]

    def __str__(self) -> str:
        return f"{self.audience_id}: {self.customer_id}"


class AudienceExport(ShopModel):
    """That an audience left the house: when, for which platform, by whom, and how many were left out and why."""

    class Platform(models.TextChoices):
        GOOGLE = "google", "Google Ads"
        META = "meta", "Meta"

    audience = models.ForeignKey(
        Audience, models.SET_NULL, verbose_name=_("audience"), related_name="exports", null=True
    )
    platform = models.CharField(_("platform"), max_length=16, choices=Platform)
    at = models.DateTimeField(_("at"), default=now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by"), related_name="+", null=True, blank=True
    )
    api_key_id = models.BigIntegerField(_("API key"), null=True, blank=True)
    rows = models.PositiveIntegerField(_("customers in the file"))
    without_consent = models.PositiveIntegerField(_("left out without consent"))
    without_contact = models.PositiveIntegerField(_("left out without a usable e-mail or phone"))
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64)

    not_personal = {"sha256": "the sum of a whole file"}

    class Meta:
        verbose_name, verbose_name_plural = _("audience export"), _("audience exports")
        indexes = [models.Index(fields=["shop", "-at"], name="advertising_export_at")]

    def __str__(self) -> str:
        return f"{self.audience_id} {self.at:%Y-%m-%d %H:%M}"
