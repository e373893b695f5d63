"""What a key may do, and what was decided: read-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from commerce_ai.api import errors
from commerce_ai.api.hot import Caller, hot
from commerce_ai.decisions.models import Decision
from commerce_ai.shop.models import Customer, Shop


class MeQuery(msgspec.Struct):
    customer_id: str | None = None
    customer_token: str | None = None


class ShopShown(msgspec.Struct):
    slug: str
    name: str
    currency: str
    timezone: str


class Me(msgspec.Struct):
    shop: ShopShown
    kind: Literal["publishable", "secret"]
    scopes: list[str]
    customer_token: str = ""


@hot(scope="", query=MeQuery, answer=Me, summary=_("What this key may do"), tag="keys")
def me(request: HttpRequest, caller: Caller, query: MeQuery, body: None) -> Me:
    """The key's shop and scopes; with a `customer_token`, whether it is valid, expired, invalid or another's."""
    shop = Shop.objects.get(pk=caller.shop_id)
    who = caller.subject(customer_id=query.customer_id, customer_token=query.customer_token)
    shown = ShopShown(shop.slug, shop.name, shop.currency, shop.timezone)
    return Me(shown, caller.kind, sorted(caller.scopes), who.token)


class DecisionShown(msgspec.Struct):
    decision_id: UUID
    plugin: str
    kind: str
    placement: str
    subject: str
    customer_id: str | None
    anonymous_id: str
    session_id: str
    version: int | None
    experiment: int | None
    arm: str
    payload: dict[str, Any]
    reasons: list[Any]
    flags: list[str]
    latency_ms: float | None
    made_at: datetime


@hot(scope="decide", answer=DecisionShown, summary=_("One decision"), tag="decisions")
def decision(request: HttpRequest, caller: Caller, query: None, body: None, decision_id: UUID) -> DecisionShown:
    """What was answered, to whom, by which version and why."""
    found = Decision.objects.of(caller.shop_id).filter(pk=decision_id).first()
    if found is None:
        raise errors.not_found()
    customers = Customer.objects.of(caller.shop_id).filter(pk=found.customer_id or 0)
    return DecisionShown(
        found.id, found.plugin, found.kind, found.placement, found.subject,
        customers.values_list("external_id", flat=True).first() if found.customer_id else None,
        found.anonymous_id, found.session_id, found.version_id, found.experiment_id, found.arm, found.payload,
        found.reasons, found.flags, found.latency_ms, found.made_at,
    )  # fmt: skip
