"""Cases: payments that were held up, and what a person then found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import Customer, Label, Order, Payment, Shop, ShopModel, columns
from commerce_ai.shop.personal import Basis, Handling, Keep

TASK = "fraud"
FRAUD, LEGITIMATE = ("fraud", "1", "true", "yes"), ("legitimate", "0", "false", "no")  # what a label may say


class AlreadyDecided(Exception):
    """A person has decided this case."""


class Case(ShopModel):
    """A payment that was reviewed or blocked. Open until a person says what it was."""

    class Action(models.TextChoices):
        REVIEW = "review", _("for review")
        BLOCK = "block", _("blocked")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CONFIRMED = "confirmed", _("fraud")
        CLEARED = "cleared", _("cleared")

    payment_external_id = models.CharField(_("payment"), max_length=255, blank=True, default="")
    order_external_id = models.CharField(_("order"), max_length=255, blank=True, default="")
    customer = models.ForeignKey(
        Customer, models.SET_NULL, verbose_name=_("customer"), related_name="+", null=True, blank=True
    )
    decision_id = models.UUIDField(_("decision"), null=True, blank=True)
    action = models.CharField(_("answer"), max_length=16, choices=Action)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.OPEN)
    score = models.FloatField(_("probability of fraud"), null=True, blank=True, help_text=_("Empty: rules decided."))
    amount = columns.money(_("amount"))
    currency = columns.currency()
    expected_loss = models.FloatField(_("expected loss"), default=0.0)
    reasons = models.JSONField(_("reasons"), default=list, blank=True)
    opened_at = models.DateTimeField(_("opened at"), default=now)
    human_requested = models.BooleanField(
        _("a person was asked for"), default=False, help_text=_("The customer asked for a human decision (GDPR, 22).")
    )
    requested_at = models.DateTimeField(_("asked for at"), null=True, blank=True)
    deadline = models.DateTimeField(_("to be decided by"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("decided by"), related_name="+", null=True, blank=True
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {
        "payment_external_id": "finds the payment that was held up",
        "order_external_id": "finds the order that was held up",
        "customer": "fraud checks",
        "reasons": "why the payment was held up",
    }
    not_personal = {"currency": "of the amount"}

    class Meta:
        verbose_name, verbose_name_plural = _("case"), _("cases")
        constraints = [
            # An erased person's case names no payment any more.
            models.UniqueConstraint(
                fields=["shop", "payment_external_id"], condition=~Q(payment_external_id=""), name="fraud_case_once"
            ),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True) | ~Q(state="open") & Q(decided_at__isnull=False),
                name="fraud_case_decided_at",
            ),
        ]
        indexes = [
            models.Index(fields=["shop", "state", "-human_requested", "-expected_loss"], name="fraud_case_queue")
        ]

    def __str__(self) -> str:
        return self.payment_external_id or f"#{self.pk}"

    def decide(self, fraud: bool, by: Any) -> None:
        """A person's verdict: closes the case, is kept as a step and becomes a label. Raises `AlreadyDecided`."""
        with transaction.atomic():
            case = Case.objects.of(self.shop_id).select_for_update().get(pk=self.pk)
            if case.state != Case.State.OPEN:
                raise AlreadyDecided
            case._close(fraud, by)
            write_label(
                case.shop_id, case.payment_external_id, case.order_external_id, fraud, by=by, source="console",
                at=case.decided_at,
            )  # fmt: skip
        self.refresh_from_db()

    def ask_for_a_person(self, days: int) -> bool:
        """The customer's right to a human look: opens the case again, first in the queue, with a deadline.

        False where it was asked for before and is still open. Raises `AlreadyDecided` once a person has decided.
        """
        with transaction.atomic():
            case = Case.objects.of(self.shop_id).select_for_update().get(pk=self.pk)
            if case.state != Case.State.OPEN and case.decided_by_id is not None:
                raise AlreadyDecided
            fresh = not (case.human_requested and case.state == Case.State.OPEN)
            if fresh:
                case.human_requested, case.requested_at = True, now()
                case.deadline = case.requested_at + timedelta(days=days)
                case.state, case.decided_at = Case.State.OPEN, None
                case.save()
                CaseStep(shop_id=case.shop_id, case=case, kind=CaseStep.Kind.REQUESTED).save()
        self.refresh_from_db()
        return fresh

    def _close(self, fraud: bool, by: Any) -> None:
        self.state = Case.State.CONFIRMED if fraud else Case.State.CLEARED
        self.decided_by, self.decided_at = by, now()
        self.save(update_fields=["state", "decided_by", "decided_at"])
        CaseStep(shop_id=self.shop_id, case=self, kind=CaseStep.Kind.VERDICT, said=self.state, by=by).save()


class CaseStep(ShopModel):
    """What happened to a case, by whom: written once, never changed."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("opened")
        REQUESTED = "requested", _("a person was asked for")
        VERDICT = "verdict", _("decided")

    case = models.ForeignKey(Case, models.CASCADE, verbose_name=_("case"), related_name="steps", db_index=False)
    kind = models.CharField(_("what"), max_length=16, choices=Kind)
    said = models.CharField(_("verdict"), max_length=16, choices=Case.State, blank=True, default="")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by"), related_name="+", null=True, blank=True,
        help_text=_("Empty: the shop's system, through the API."),
    )  # fmt: skip
    at = models.DateTimeField(_("at"), default=now)

    class Meta:
        verbose_name, verbose_name_plural = _("step of a case"), _("steps of cases")
        indexes = [
            models.Index(fields=["case", "at"], name="fraud_casestep_case"),
            models.Index(fields=["shop", "at"], name="fraud_casestep_shop"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M}"


def open_case(shop_id: int, customer_external_id: str | None, **values: Any) -> int | None:
    """A new case of a payment, and its number; of one that has a case already, that case's, unchanged."""
    customer = None
    if customer_external_id:
        customer = Customer.objects.of(shop_id).filter(external_id=customer_external_id).values_list("pk").first()
    with transaction.atomic():
        case, made = Case.objects.of(shop_id).get_or_create(
            shop_id=shop_id,
            payment_external_id=values.pop("payment_external_id"),
            defaults={**values, "customer_id": customer[0] if customer else None},
        )
        if made:
            CaseStep(shop_id=shop_id, case=case, kind=CaseStep.Kind.OPENED).save()
    return case.pk


def write_label(
    shop: Shop | int, payment: str, order: str, fraud: bool, *, by: Any = None, source: str, at: Any = None
) -> Label | None:
    """What a payment (else its order) was, as a training label; None where the shop knows neither (yet).

    Saying what is said already of it writes nothing.
    """
    found: Any = Payment.objects.of(shop).filter(external_id=payment).first() if payment else None
    kind = Label.Subject.PAYMENT
    if found is None and order:
        found, kind = Order.objects.of(shop).filter(external_id=order).first(), Label.Subject.ORDER
    if found is None:
        return None
    about = {"shop_id": found.shop_id, "task": TASK, "subject_type": kind, "subject_id": found.pk}
    value = FRAUD[0] if fraud else LEGITIMATE[0]
    last = Label.objects.of(shop).filter(**about).order_by("-at", "-pk").first()
    if last is not None and last.value == value and last.source == source and last.by == by:
        return last
    label = Label(**about, value=value, by=by, source=source, at=at or now())
    label.save()
    return label


def close_by_label(shop: Shop | int, payment: str, fraud: bool) -> int:
    """Close a payment's open case by what the shop's system says, unless a person was asked for. How many."""
    closed = 0
    with transaction.atomic():
        open_ones = Case.objects.of(shop).filter(payment_external_id=payment, state=Case.State.OPEN)
        for case in open_ones.filter(human_requested=False).select_for_update():
            case._close(fraud, None)
            closed += 1
    return closed
