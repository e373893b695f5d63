"""What the plugin keeps of its own: proposals of what to order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai.decisions.proposals import Proposal, Refused
from commerce_ai.shop.models import Location, Product, PurchaseOrder, PurchaseOrderLine, Supplier, columns

USUAL_LOCATION = "main"  # as the stock API calls a place that nobody named
SOURCE = "inventory"


class ReorderProposal(Proposal):
    """Order so much of a product from a supplier, by a day. `expected_gain` is the margin that is else lost, a week.

    Approved, it is a line of a draft purchase order; approvals of one day, supplier and location share an order.
    """

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    supplier = models.ForeignKey(Supplier, models.CASCADE, verbose_name=_("supplier"), related_name="+")
    location = models.ForeignKey(
        Location, models.SET_NULL, verbose_name=_("to"), related_name="+", null=True, blank=True
    )
    quantity = columns.quantity(_("quantity"))
    proposed_quantity = columns.quantity(_("proposed quantity"))
    unit_cost = columns.money(_("unit cost"), null=True, blank=True)
    order_by = models.DateField(_("order by"))
    lead_days = models.FloatField(_("lead time (days)"))
    available = columns.quantity(_("available"))
    on_order = columns.quantity(_("on order"), default=0)
    reorder_point = models.FloatField(_("reorder point"))
    order_up_to = models.FloatField(_("order up to"))
    safety_stock = models.FloatField(_("safety stock"))
    service_level = models.FloatField(_("service level"))
    stock_out_on = models.DateField(_("expected out of stock on"), null=True, blank=True)
    purchase_line = models.ForeignKey(
        PurchaseOrderLine, models.SET_NULL, verbose_name=_("order line"), related_name="+", null=True, blank=True
    )

    class Meta:
        verbose_name, verbose_name_plural = _("reorder proposal"), _("reorder proposals")
        constraints = [
            models.UniqueConstraint(
                fields=["product"], condition=Q(state="proposed"), name="inventory_reorderproposal_one_open"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="inventory_reorderproposal_quantity_positive"),
        ]
        indexes = [
            models.Index(fields=["shop", "state", "id"], name="inventory_reorder_state"),
            models.Index(fields=["product", "id"], name="inventory_reorder_product"),
            models.Index(fields=["shop", "-decided_at"], name="inventory_reorder_decided"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.quantity}"

    @property
    def edited(self) -> bool:
        return self.quantity != self.proposed_quantity

    def apply(self) -> None:
        """Write the line of the purchase order. Raises `Refused`."""
        if self.purchase_line_id is not None:
            return
        if not self.supplier.active:
            raise Refused(say("The supplier is not active any more."))
        order = self._order()
        last = PurchaseOrderLine.objects.of(self.shop_id).filter(purchase_order=order).aggregate(last=Max("position"))
        self.purchase_line = PurchaseOrderLine.objects.of(self.shop_id).create(
            shop_id=self.shop_id, purchase_order=order, position=(last["last"] or 0) + 1, product_id=self.product_id,
            quantity=self.quantity, unit_cost=self.unit_cost,
        )  # fmt: skip

    def unapply(self) -> None:
        """Take the line off its order, and the order away with its last line. Raises `Refused` once it is placed."""
        line = self.purchase_line
        if line is None:
            raise Refused(say("The order line is gone already."))
        order = PurchaseOrder.objects.of(self.shop_id).select_for_update().get(pk=line.purchase_order_id)
        if order.status != PurchaseOrder.Status.DRAFT:
            raise Refused(say("The purchase order %(order)s is placed already.") % {"order": order.external_id})
        self.purchase_line = None
        self.save(update_fields=["purchase_line"])
        line.delete()
        if not PurchaseOrderLine.objects.of(self.shop_id).filter(purchase_order=order).exists():
            order.delete()

    def _order(self) -> PurchaseOrder:
        """The draft of this day, supplier and location, locked; a new one after that one was placed."""
        today = timezone.now().astimezone(self.shop.tz).date()
        if self.location_id is None:
            named = {"name": USUAL_LOCATION}
            self.location = Location.objects.of(self.shop_id).get_or_create(
                shop_id=self.shop_id, external_id=USUAL_LOCATION, defaults=named
            )[0]
        # Two approvals at once would both find no draft: the supplier's row is what they wait for.
        Supplier.objects.of(self.shop_id).select_for_update().get(pk=self.supplier_id)
        name = f"reorder-{today:%Y%m%d}-{self.supplier_id}-{self.location_id}"
        mine = PurchaseOrder.objects.of(self.shop_id).filter(external_id__startswith=name)
        draft = mine.filter(status=PurchaseOrder.Status.DRAFT).select_for_update().first()
        if draft is not None:
            return draft
        count = mine.count()
        fields: dict[str, Any] = {
            "external_id": f"{name}-{count + 1}" if count else name,
            "supplier_id": self.supplier_id,
            "location_id": self.location_id,
            "expected_on": today + timedelta(days=round(self.lead_days)),
            "decision_id": self.decision_id,
            "source": SOURCE,
        }
        return PurchaseOrder.objects.of(self.shop_id).create(shop_id=self.shop_id, **fields)


def worth(quantity: Decimal, unit_cost: Decimal | None) -> Decimal | None:
    """What an order line costs; None where the unit cost is not known."""
    return None if unit_cost is None else quantity * unit_cost
