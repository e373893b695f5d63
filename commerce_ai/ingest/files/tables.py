"""Every table of the shop that a CSV or Parquet file may fill, with its columns: what `docs/loading.md` shows.

Columns and keys are read off the models. Left out are the install's own tables, what plugins publish, figures
that are computed, and events, which come as `segment` messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Literal

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from commerce_ai.ingest.files import labels
from commerce_ai.ingest.files.fields import Field, field_of
from commerce_ai.shop import models as shop

# What to do when a reference names a row that is not there, and the column may be empty.
Unknown = Literal["reject", "create", "empty"]


@dataclass(frozen=True)
class Table:
    """`key` are the columns that name a row: a file's row with a known key changes that row, else it adds one."""

    name: str
    model: type[models.Model]
    unknown: Mapping[str, Unknown] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    more: tuple[Field, ...] = ()  # that the model does not have, or not like that
    own_key: tuple[str, ...] = ()  # where no constraint says what names a row

    @cached_property
    def fields(self) -> dict[str, Field]:
        found = [field_of(each) for each in self.model._meta.concrete_fields]
        keys = self.key
        fields = {}
        for each in found:
            if each is None or each.name in self.left_out:
                continue
            if each.column in keys and callable(each.default):
                # An instant made up now would make another row each time that the file is loaded.
                each = replace(each, required=True, default=None)
            if each.name == "currency":
                each = replace(each, required=False)  # the shop's own where it is empty
            fields[each.name] = each
        return fields | {each.name: each for each in self.more}

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Database columns, without the shop's."""
        if self.own_key:
            return self.own_key
        columns = [str(getattr(self.model._meta.get_field(name), "column", "")) for name in self._key.fields]
        return tuple(column for column in columns if column != "shop_id")

    @property
    def key_has_shop(self) -> bool:
        return "shop" in self._key.fields

    @cached_property
    def _key(self) -> models.UniqueConstraint:
        for constraint in self.model._meta.constraints:
            if isinstance(constraint, models.UniqueConstraint) and constraint.condition is None:
                return constraint
        raise TypeError(f"{self.model._meta.label} has nothing that names a row")

    @cached_property
    def own_reference(self) -> Field | None:
        """The column that points into the same table (a variant's parent)."""
        return next((each for each in self.fields.values() if each.refers is self.model), None)

    @property
    def title(self) -> Any:
        return self.model._meta.verbose_name_plural

    @property
    def doc(self) -> str:
        return (self.model.__doc__ or "").strip()


@cache
def tables() -> dict[str, Table]:
    """By the name that the command line knows."""
    return {each.name: each for each in _TABLES}


def table(name: str) -> Table:
    """Raises ValueError with the names there are."""
    found = tables().get(name)
    if found is None:
        words = _("there is no table “%(name)s”; the tables are: %(names)s")
        raise ValueError(words % {"name": name, "names": ", ".join(tables())})
    return found


_EMAIL = Field(
    "email", "email", "secret", _lazy("e-mail"), _lazy("Only a keyed hash of it is kept."), default="", personal=True
)
_SUBJECT = Field(
    "subject_id", "subject_id", "text", _lazy("external id of what is judged"), nullable=True, max_length=255
)
_TABLES = (
    Table("products", shop.Product),
    Table("price_changes", shop.PriceChange, left_out=("decision_id",)),
    Table("competitor_prices", shop.CompetitorPrice),
    Table("promotions", shop.Promotion),
    Table("promotion_products", shop.PromotionProduct),
    Table("customers", shop.Customer),
    Table("identities", shop.Identity),
    Table("consents", shop.Consent),
    Table("social_ties", shop.SocialTie),
    Table("orders", shop.Order, unknown={"customer_id": "create"}, left_out=("door",), more=(_EMAIL,)),
    Table("order_lines", shop.OrderLine, unknown={"product_id": "empty"}, left_out=("decision_id",)),
    Table("payments", shop.Payment),
    Table("chargebacks", shop.Chargeback),
    Table("refunds", shop.Refund),
    Table("shipments", shop.Shipment),
    Table("returns", shop.Return, unknown={"product_id": "empty"}),
    Table("locations", shop.Location),
    Table("stock_levels", shop.StockLevel),
    Table("stock_movements", shop.StockMovement),
    Table("suppliers", shop.Supplier),
    Table("supplier_products", shop.SupplierProduct),
    Table("purchase_orders", shop.PurchaseOrder, left_out=("decision_id",)),
    Table("purchase_order_lines", shop.PurchaseOrderLine),
    Table("campaigns", shop.Campaign),
    Table("ad_spend", shop.AdSpend),
    Table("reviews", shop.Review),
    Table("mentions", shop.Mention),
    Table("conversations", shop.Conversation),
    Table("messages", shop.Message, left_out=("decision_id",)),
    Table("articles", shop.Article),
    Table("labels", shop.Label, more=(_SUBJECT,), own_key=labels.KEY),
)
