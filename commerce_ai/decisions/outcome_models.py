"""What came of decisions, and the marks that say what of it has to be counted anew.

Triggers write the marks, within the transaction that writes the fact, whichever door it comes by: so there is no
watermark that a late commit could slip under.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import Shop, ShopModel

_NO_PERSON = "a name of ours, of no person"


class Outcome(ShopModel):
    """What came of one decision. Made anew as a whole from events and credits whenever one of them moved.

    `impressions`, `clicks` and `carts` are different products (a list or a banner counts as one), `purchases` orders
    that it had a part in. Money is in the shop's currency, what came back taken off; margin counts only lines whose
    cost is known. `bots` and `staff` are touches that were left out.
    """

    decision_id = models.UUIDField(_("decision"), primary_key=True, editable=False)
    plugin = models.CharField(_("plugin"), max_length=64)
    kind = models.CharField(_("kind"), max_length=64)
    placement = models.CharField(_("placement"), max_length=64, blank=True, default="")
    version_id = models.BigIntegerField(_("version"), null=True, blank=True)
    experiment_id = models.BigIntegerField(_("experiment"), null=True, blank=True)
    arm = models.CharField(_("arm"), max_length=64, blank=True, default="")
    made_at = models.DateTimeField(_("made at"))
    impressions = models.PositiveIntegerField(_("impressions"), default=0)
    clicks = models.PositiveIntegerField(_("clicks"), default=0)
    carts = models.PositiveIntegerField(_("added to cart"), default=0)
    purchases = models.PositiveIntegerField(_("purchases"), default=0)
    revenue = models.DecimalField(_("revenue"), max_digits=16, decimal_places=4, default=0)
    margin = models.DecimalField(_("margin"), max_digits=16, decimal_places=4, default=0)
    bots = models.PositiveIntegerField(_("left out as of bots"), default=0)
    staff = models.PositiveIntegerField(_("left out as of staff"), default=0)
    updated_at = models.DateTimeField(_("computed at"))

    not_personal = {"plugin": _NO_PERSON, "kind": _NO_PERSON, "placement": _NO_PERSON, "arm": _NO_PERSON}

    class Meta:
        verbose_name, verbose_name_plural = _("outcome"), _("outcomes")
        indexes = [
            models.Index(fields=["shop", "made_at"], name="decisions_outcome_made"),
            models.Index(
                fields=["experiment_id", "made_at"], name="decisions_outcome_experiment",
                condition=Q(experiment_id__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.plugin} {self.decision_id}"


class Credit(ShopModel):
    """A decision's part in an order line: what of its revenue and margin, and by which way it was earned."""

    class Way(models.TextChoices):
        NAMED = "named", _("named by the line")
        CLICK = "click", _("click")
        VIEW = "view", _("view")
        SESSION = "session", _("same session")

    order_id = models.BigIntegerField(_("order"))
    line_id = models.BigIntegerField(_("order line"))
    decision_id = models.UUIDField(_("decision"))
    plugin = models.CharField(_("plugin"), max_length=64)
    way = models.CharField(_("way"), max_length=8, choices=Way)
    placed_at = models.DateTimeField(_("placed at"))
    revenue = models.DecimalField(_("revenue"), max_digits=14, decimal_places=4)
    margin = models.DecimalField(_("margin"), max_digits=14, decimal_places=4)

    not_personal = {"plugin": _NO_PERSON, "way": _NO_PERSON}

    class Meta:
        verbose_name, verbose_name_plural = _("credit"), _("credits")
        constraints = [models.UniqueConstraint(fields=["line_id", "decision_id"], name="decisions_credit_once")]
        indexes = [
            models.Index(fields=["order_id"], name="decisions_credit_order"),
            models.Index(fields=["decision_id"], name="decisions_credit_decision"),
            models.Index(fields=["shop", "placed_at"], name="decisions_credit_placed"),
        ]

    def __str__(self) -> str:
        return f"{self.decision_id}: {self.line_id}"


class Heard(ShopModel):
    """An event or an identity that was written and not looked at yet. Nothing of a person but where to find it."""

    # Without a constraint: a shop that is deleted takes its rows' triggers with it.
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    event_id = models.UUIDField(null=True)
    identity_id = models.BigIntegerField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("mark of an event"), _("marks of events")
        indexes = [models.Index(fields=["shop", "id"], name="decisions_heard_next")]

    def __str__(self) -> str:
        return str(self.event_id or self.identity_id)


class Stale(ShopModel):
    """An order, a decision or a day whose figures have to be made anew. As often as it was said; counted once."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    order_id = models.BigIntegerField(null=True)
    decision_id = models.UUIDField(null=True)
    day = models.DateField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("mark"), _("marks")
        indexes = [
            models.Index(
                fields=["shop", "order_id"], name="decisions_stale_order", condition=Q(order_id__isnull=False)
            ),
            models.Index(
                fields=["shop", "decision_id"], name="decisions_stale_decision", condition=Q(decision_id__isnull=False)
            ),
            models.Index(fields=["shop", "day"], name="decisions_stale_day", condition=Q(day__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.order_id or self.decision_id or self.day)


class Loss(ShopModel):
    """A decision that was answered, flagged, and is not in Postgres. All that is left of it is its id, of no person."""

    decision_id = models.UUIDField(_("decision"), primary_key=True, editable=False)
    plugin = models.CharField(_("plugin"), max_length=64)

    not_personal = {"plugin": _NO_PERSON}

    class Meta:
        verbose_name, verbose_name_plural = _("lost decision"), _("lost decisions")
        indexes = [models.Index(fields=["shop", "plugin"], name="decisions_loss_plugin")]

    def __str__(self) -> str:
        return f"{self.plugin} {self.decision_id}"
