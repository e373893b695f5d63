"""Routes: what to do with a payment, the cases that wait for people, what payments turned out to be."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from django.db import transaction
from django.http import HttpRequest
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.api.errors import ApiError, invalid_field, not_found
from commerce_ai.api.hot import Caller, hot
from commerce_ai.api.pages import cursor_of, read_cursor
from commerce_ai.shop.facts import shop_facts
from commerce_ai.shop.money import money_text
from plugins.fraud import models, service
from plugins.fraud.answers import Answer, Request

MOST_AMOUNT = Decimal(10) ** 10
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class PaymentBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment that is about to be taken; money as a string. More is known by more fields; only the first two must."""

    payment_id: Id
    amount: Decimal
    currency: str | None = None
    order_id: Annotated[str, msgspec.Meta(max_length=255)] = ""
    customer_id: Id | None = None
    device_id: Id | None = None
    ip: Id | None = None
    card_fingerprint: Id | None = None
    ip_country: Country | None = None
    card_country: Country | None = None
    shipping_country: Country | None = None
    billing_country: Country | None = None
    at: datetime | None = None


class LabelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a payment, or the payments of an order, turned out to be."""

    is_fraud: bool
    payment_id: Annotated[str, msgspec.Meta(max_length=255)] = ""
    order_id: Annotated[str, msgspec.Meta(max_length=255)] = ""
    at: datetime | None = None


class LabelsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rows: Annotated[list[LabelRow], msgspec.Meta(min_length=1, max_length=1000)]


class LabelsAnswer(msgspec.Struct, frozen=True):
    """How many labels were kept; nothing is kept where one payment or order is unknown."""

    labelled: int
    cases_closed: int


class CasesQuery(msgspec.Struct, frozen=True, kw_only=True):
    state: str = "open"
    limit: Limit = 100
    cursor: str = ""


class CaseAnswer(msgspec.Struct, frozen=True):
    """A payment that was held up. `decided_by_person` says that its outcome is a person's."""

    id: int
    payment_id: str
    order_id: str
    action: str
    state: str
    score: float | None
    amount: str
    currency: str
    expected_loss: float
    reasons: list[dict[str, Any]]
    opened_at: datetime
    human_requested: bool
    deadline: datetime | None
    decided_at: datetime | None
    decided_by_person: bool


class CasesAnswer(msgspec.Struct, frozen=True):
    results: list[CaseAnswer]
    next: str | None


@hot(
    scope="decide",
    plugin="fraud",
    methods=("POST",),
    body=PaymentBody,
    answer=Answer,
    summary=_("Allow, review or block a payment"),
)
def score(request: HttpRequest, caller: Caller, query: None, body: PaymentBody) -> Answer:
    """Ask before a payment is taken. The action is the one that is expected to cost least.

    Customer, device and card tie the payment to earlier ones; ids are those of the payments that the shop loads.
    Asking again for the same `payment_id` counts the payment once.
    """
    _only_secret(caller)
    amount = body.amount
    if not amount.is_finite() or not 0 <= amount < MOST_AMOUNT:
        raise invalid_field("amount", _("An amount is a number from 0 to 10,000,000,000."))
    currency = shop_facts(caller.shop_id).currency
    if body.currency not in (None, currency):
        raise invalid_field("currency", _("This shop's amounts are in %(currency)s.") % {"currency": currency})
    at = body.at or timezone.now()
    if at.tzinfo is None:
        raise invalid_field("at", _("An instant needs its offset from UTC."))
    if not _about_now(at):
        raise invalid_field("at", _("That is not about now."))
    named = (body.ip_country, body.card_country, body.shipping_country, body.billing_country)
    return service.score(
        caller.shop_id,
        Request(
            payment_id=body.payment_id,
            amount=float(amount),
            at=at,
            order_id=body.order_id,
            customer_id=body.customer_id,
            device_id=body.device_id,
            ip=_address(body.ip),
            card_fingerprint=body.card_fingerprint,
            countries=frozenset(each for each in named if each),
        ),
        caller.subject(customer_id=body.customer_id),
    )


@hot(scope="decide", plugin="fraud", query=CasesQuery, answer=CasesAnswer, summary=_("Payments that wait for people"))
def cases(request: HttpRequest, caller: Caller, query: CasesQuery, body: None) -> CasesAnswer:
    """Cases in the order they were opened; `state` is open, confirmed or cleared."""
    _only_secret(caller)
    if query.state not in models.Case.State.values:
        known = ", ".join(models.Case.State.values)
        raise invalid_field("state", _("There is no such state. The states are: %(known)s.") % {"known": known})
    after = read_cursor(query.cursor)
    rows = models.Case.objects.of(caller.shop_id).filter(state=query.state, pk__gt=after).order_by("pk")
    found = list(rows[: query.limit + 1])
    more = cursor_of(found[query.limit - 1].pk) if len(found) > query.limit else None
    return CasesAnswer([_shown(each) for each in found[: query.limit]], more)


@hot(
    scope="decide",
    plugin="fraud",
    methods=("POST",),
    body=LabelsBody,
    answer=LabelsAnswer,
    summary=_("What payments turned out to be"),
)
def labels(request: HttpRequest, caller: Caller, query: None, body: LabelsBody) -> LabelsAnswer:
    """Labels for training, by `payment_id` or `order_id`; an open case of the payment is closed with it.

    Not so where the customer asked for a person: then only a person's verdict in the console closes it.
    """
    _only_secret(caller)
    closed = 0
    with transaction.atomic():
        for place, row in enumerate(body.rows):
            field = f"rows.{place}.{'payment_id' if row.payment_id else 'order_id'}"
            if not (row.payment_id or row.order_id):
                raise invalid_field(f"rows.{place}.payment_id", _("Name a payment or an order."))
            if row.at is not None and row.at.tzinfo is None:
                raise invalid_field(f"rows.{place}.at", _("An instant needs its offset from UTC."))
            if row.at is not None and not _about_now(row.at):
                raise invalid_field(f"rows.{place}.at", _("That is not about now."))
            label = models.write_label(
                caller.shop_id, row.payment_id, row.order_id, row.is_fraud, source="api", at=row.at
            )
            if label is None:
                raise invalid_field(field, _("The shop knows no such payment or order."))
            closed += models.close_by_label(caller.shop_id, row.payment_id, row.is_fraud) if row.payment_id else 0
    return LabelsAnswer(len(body.rows), closed)


@hot(
    scope="decide",
    plugin="fraud",
    methods=("POST",),
    answer=CaseAnswer,
    summary=_("Ask for a person to look at a case"),
)
def review(request: HttpRequest, caller: Caller, query: None, body: None, case_id: str) -> CaseAnswer:
    """A customer contests a verdict (GDPR, article 22): the case comes first, with a deadline, and a person decides.

    Asking again changes nothing. 409 once a person has decided.
    """
    _only_secret(caller)
    # A number, but any text comes here, so that it is the key that is looked at first.
    known = case_id.isascii() and case_id.isdigit() and len(case_id) < 19
    case = models.Case.objects.of(caller.shop_id).filter(pk=int(case_id)).first() if known else None
    if case is None:
        raise not_found()
    try:
        case.ask_for_a_person(registry.settings_for(caller.shop_id, service.PLUGIN).human_review_days)
    except models.AlreadyDecided:
        raise ApiError("already_decided", _("A person has decided this case."), 409) from None
    return _shown(case)


def _shown(case: models.Case) -> CaseAnswer:
    return CaseAnswer(
        id=case.pk,
        payment_id=case.payment_external_id,
        order_id=case.order_external_id,
        action=case.action,
        state=case.state,
        score=None if case.score is None else round(case.score, 6),
        amount=money_text(case.amount, case.currency),
        currency=case.currency,
        expected_loss=round(case.expected_loss, 4),
        reasons=case.reasons or [],
        opened_at=case.opened_at,
        human_requested=case.human_requested,
        deadline=case.deadline,
        decided_at=case.decided_at,
        decided_by_person=case.decided_by_id is not None,
    )


def _address(given: str | None) -> str | None:
    """The address on the net as stored payments have it, so that both are one device."""
    try:
        return str(ipaddress.ip_address(given.strip())) if given is not None else None
    except ValueError:
        raise invalid_field("ip", _("It is not an IP address, such as 203.0.113.9 or 2001:db8::9.")) from None


def _about_now(at: datetime) -> bool:
    """Within ten years back and a day ahead; what is further off no database row could bear, or is a slip."""
    return timezone.now() - timedelta(days=3650) < at < timezone.now() + timedelta(days=1)


def _only_secret(caller: Caller) -> None:
    if not caller.is_secret:
        raise ApiError("secret_key_needed", _("This takes a secret key."), 403)


urlpatterns = [
    path("fraud/score", score, name="fraud-score"),
    path("fraud/cases", cases, name="fraud-cases"),
    path("fraud/cases/<str:case_id>/review", review, name="fraud-case-review"),
    path("fraud/labels", labels, name="fraud-labels"),
]
