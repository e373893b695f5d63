"""Prices that were proposed, with what is expected of them, and what became of each."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.errors import ApiError
from commerce_ai.api.prices import Prices
from commerce_ai.api.resources import How, write
from commerce_ai.decisions.proposals import Proposal, Refused, State
from commerce_ai.shop.models import PriceChange, PricePlan, Product, columns
from commerce_ai.shop.revision import bump

PENNY_S = timedelta(microseconds=1)


class PriceProposal(Proposal):
    """Another price for one product, from a (shop's) day on. Figures are a week's, in the shop's currency.

    `effect` holds units, revenue, margin and gain as ``{"value", "low", "high"}``; `prior_price` is the lowest of the
    thirty days before, where the price would be a reduction. Approving writes a `PricePlan`; on its day the price is
    *carried out*: a `PriceChange` and the product's price, by the same writer as the API's.
    """

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    current_price = columns.money(_("price when it was made"))
    price = columns.money(_("proposed price"))
    cost = columns.money(_("cost"), null=True, blank=True)
    prior_price = columns.money(_("lowest price of the last 30 days"), null=True, blank=True)
    starts_on = models.DateField(_("from"))
    elasticity = models.FloatField(_("elasticity"))
    elasticity_low = models.FloatField(_("lower bound of the elasticity"))
    elasticity_high = models.FloatField(_("upper bound of the elasticity"))
    observations = models.PositiveIntegerField(_("observations"), default=0)
    effect = models.JSONField(_("expected effect"), default=dict, blank=True)
    carried_out_at = models.DateTimeField(_("carried out at"), null=True, blank=True)

    not_personal = {**Proposal.not_personal, "effect": "expected units and money of a product"}

    class Meta:
        verbose_name, verbose_name_plural = _("price proposal"), _("price proposals")
        constraints = [
            models.UniqueConstraint(
                fields=["product"], condition=Q(state=State.PROPOSED), name="pricing_proposal_one_open"
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="pricing_proposal_price_positive"),
        ]
        indexes = [
            models.Index(fields=["product", "-made_at"], name="pricing_proposal_product"),
            models.Index(fields=["shop", "state", "-expected_gain"], name="pricing_proposal_open"),
            models.Index(fields=["shop", "-decided_at"], name="pricing_proposal_decided"),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.current_price.normalize():f} → {self.price.normalize():f}"

    def apply(self) -> None:
        """Plan the price from its day on; where that has come, carry it out. Raises `Refused`."""
        product = self._product()
        if product.price != self.current_price:
            raise Refused(say("The product's price has changed since; the next training proposes anew."))
        if (
            product.cost is not None
            and self.cost is not None
            and product.cost > self.cost
            and product.cost >= self.price
        ):
            raise Refused(say("The product's cost has risen above the proposed price."))
        self.starts_on = max(self.starts_on, self.today())
        plan = {"price": self.price, "ends_on": None, "reason": self._words(), "version_id": self.version_id}
        PricePlan.objects.of(self.shop).update_or_create(
            product=product,
            starts_on=self.starts_on,
            defaults={**plan, "shop": self.shop, "as_of": timezone.now()},
        )
        if self.starts_on <= self.today():
            self.carry_out()
        bump("catalogue", self.shop)

    def carry_out(self) -> None:
        """Make the price hold now. Raises `Refused`."""
        self._set(self.price, self._words(), reduction=self.prior_price is not None and self._announces())
        self.carried_out_at = timezone.now()

    def unapply(self) -> None:
        """Take the plan away; where it was carried out, put the price before it back. Raises `Refused`."""
        if self.carried_out_at is not None:
            if self._product().price != self.price:
                raise Refused(say("The product's price has changed since; undoing would take that away."))
            self._set(self.current_price, say("Proposal %(n)d was undone") % {"n": self.pk}, reduction=False)
        PricePlan.objects.of(self.shop).filter(
            product_id=self.product_id, starts_on=self.starts_on, price=self.price
        ).delete()
        bump("catalogue", self.shop)

    def today(self) -> date:
        return timezone.now().astimezone(self.shop.tz).date()

    def _product(self) -> Any:
        return Product.objects.of(self.shop).select_for_update().get(pk=self.product_id)

    def _set(self, price: Any, reason: str, *, reduction: bool) -> None:
        """Through the API's own writer: the change is kept, the product's price moves, readers are told."""
        kind = PriceChange.Kind.REDUCTION if reduction else PriceChange.Kind.CHANGE
        starts_at = self._free_instant(kind)
        row = {
            "product_id": self._product().external_id, "price": price, "kind": kind.value, "reason": reason[:255],
            "starts_at": starts_at,
        }  # fmt: skip
        try:
            [outcome] = write(Prices(), self.shop, [row], How.MERGE)
        except ApiError as error:
            raise Refused(str(error)) from error
        if outcome.status not in ("updated", "unchanged"):
            raise Refused(say("The price could not be written."))
        kept = PriceChange.objects.of(self.shop).filter(product_id=self.product_id, starts_at=starts_at)
        kept.update(decision_id=self.decision_id, source="pricing")

    def _free_instant(self, kind: str) -> datetime:
        """Now, or just after the change that began last: of two at one instant the later would overwrite the first."""
        now = timezone.now() - timedelta(milliseconds=1)
        changes = PriceChange.objects.of(self.shop).filter(product_id=self.product_id, starts_at__lte=timezone.now())
        last = changes.order_by("-starts_at").values_list("starts_at", flat=True).first()
        return max(now, last + PENNY_S) if last else now

    def _announces(self) -> bool:
        from commerce_ai import registry

        return bool(registry.settings_for(self.shop_id, "pricing").announce_reductions)

    def _words(self) -> str:
        return say("Proposal %(n)d") % {"n": self.pk}
