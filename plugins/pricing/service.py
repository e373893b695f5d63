"""Answers one request: prices of now, what another price would do, proposals and what is decided on them.

Prices never depend on who asks: no function here takes a customer, a visitor or a session.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions import payload
from commerce_ai.decisions.proposals import Outcome, State, chosen, decide
from commerce_ai.decisions.reasons import Reason
from commerce_ai.decisions.record import NewDecision, Recorded, record
from commerce_ai.learning.live import live
from commerce_ai.shop.catalogue import catalogue_of
from commerce_ai.shop.models import Shop
from commerce_ai.shop.money import money_text, rounded
from commerce_ai.shop.revision import Warm
from plugins.pricing import policy, queries, tasks
from plugins.pricing.answers import (
    Price,
    PricesAnswer,
    SimulateAnswer,
    Simulated,
    Wanted,
    elasticity_of,
    figures_of,
)
from plugins.pricing.models import PriceProposal
from plugins.pricing.policy import Response, Rules
from plugins.pricing.tasks import PLUGIN, SLOT


class UnknownProducts(LookupError):
    """The shop has no such products; `args` are their names."""


class BadPrice(ValueError):
    """A price to be tried is none; `place` is its position, `field` names what is wrong with it."""

    def __init__(self, place: int, field: str, message: str) -> None:
        super().__init__(message)
        self.place, self.field = place, field


@dataclass(frozen=True)
class Planned:
    """An approved price that is not carried out yet."""

    starts_on: date
    price: Decimal
    proposal_id: int


@dataclass(frozen=True)
class Plans:
    """A shop's time zone, and its approved prices that wait for their day, by product."""

    tz: Any
    planned: dict[int, list[Planned]]

    def of(self, product: int, today: date) -> Planned | None:
        """The plan that began last."""
        begun = [each for each in self.planned.get(product, ()) if each.starts_on <= today]
        return max(begun, key=lambda each: each.starts_on, default=None)


def load_plans(shop_id: int) -> Plans:
    rows = PriceProposal.objects.of(shop_id).filter(state=State.APPROVED, carried_out_at__isnull=True)
    planned: dict[int, list[Planned]] = {}
    for product, starts_on, price, pk in rows.values_list("product_id", "starts_on", "price", "pk"):
        planned.setdefault(product, []).append(Planned(starts_on, price, pk))
    return Plans(Shop.objects.get(pk=shop_id).tz, planned)


plans_of = Warm("catalogue", load_plans).get


def prices(shop_id: int, product_ids: Sequence[str]) -> PricesAnswer:
    """Today's prices. Raises `UnknownProducts`. Warm, it reads nothing from Postgres."""
    started = time.perf_counter()
    catalogue = catalogue_of(shop_id)
    names = list(dict.fromkeys(product_ids))
    places = catalogue.index_of_external(names)
    if missing := [name for name, place in zip(names, places, strict=True) if place < 0 or catalogue.is_group[place]]:
        raise UnknownProducts(*missing)
    version, why = _version(shop_id)
    plans = plans_of(shop_id)
    today = timezone.now().astimezone(plans.tz).date()
    if registry.settings_for(shop_id, PLUGIN).catalogue_only:
        plans = Plans(plans.tz, {})
    found = [_price(catalogue, name, int(place), plans, today) for name, place in zip(names, places, strict=True)]
    items = [
        payload.Item(each.product_id, int(catalogue.id[place]), position, each.source, reasons=[each.reasons[0].code])
        for position, (each, place) in enumerate(zip(found, places, strict=True), 1)
    ]
    kept = _keep(
        shop_id, "prices", payload.Payload(items=items, value={each.product_id: each.price for each in found}),
        version, why, started,
    )  # fmt: skip
    return PricesAnswer(found, catalogue.currency, str(kept.decision_id), _name(version), bool(why), why, kept.stored)


def simulate(shop_id: int, wanted: Sequence[Wanted]) -> SimulateAnswer:
    """A week at other prices: units, revenue and margin with their intervals. Raises `UnknownProducts`, `BadPrice`."""
    started = time.perf_counter()
    ids = queries.ids_of(shop_id, [each.product_id for each in wanted])
    rows = queries.situations(shop_id, ids.values(), timezone.now())
    if missing := [each.product_id for each in wanted if ids.get(each.product_id) not in rows]:
        raise UnknownProducts(*dict.fromkeys(missing))
    currency = catalogue_of(shop_id).currency
    version, why = _version(shop_id)
    rules = tasks.rules_of(registry.settings_for(shop_id, PLUGIN), currency)
    found = []
    for place, each in enumerate(wanted):
        row = rows[ids[each.product_id]]
        price = _tried(place, each, row["price"], currency)
        found.append(_simulated(each.product_id, row, price, version, rules, currency))
    value = [{"product_id": each.product_id, "price": each.price} for each in found]
    kept = _keep(shop_id, "simulation", payload.Payload(value=value), version, why, started)
    return SimulateAnswer(found, currency, str(kept.decision_id), _name(version), bool(why), why, kept.stored)


def decide_on(shop_id: int, ids: Sequence[int], verb: str, key_id: int) -> tuple[Outcome, Recorded]:
    """Approve, reject or undo proposals; those that are not there are refused as well."""
    started = time.perf_counter()
    rows = chosen(PriceProposal, shop_id, ids)
    outcome = decide(rows, verb, key_id)
    for missing in set(ids) - {each.pk for each in rows}:
        outcome.refused[missing] = say("There is no such proposal.")
    value = {"verb": verb, "done": outcome.done, "refused": {str(key): why for key, why in outcome.refused.items()}}
    return outcome, _keep(shop_id, verb, payload.Payload(value=value), None, "", started)


def _version(shop_id: int) -> tuple[Any, str]:
    """The live version, and why there is none to go by."""
    if registry.settings_for(shop_id, PLUGIN).catalogue_only:
        return None, say("The shop has switched to catalogue prices only.")
    found = next(iter(live(shop_id, SLOT)), None)
    return found, "" if found else say("No version is live yet: the catalogue's own prices answer.")


def _price(catalogue: Any, name: str, place: int, plans: Plans, today: date) -> Price:
    plan = plans.of(int(catalogue.id[place]), today)
    if plan is None:
        reason = Reason("catalogue", say("The price in the catalogue."))
        return Price(name, catalogue.price_text(place), "catalogue", None, [reason])
    params = {"proposal_id": plan.proposal_id, "starts_on": plan.starts_on.isoformat()}
    reason = Reason("plan", say("Planned and approved from %(day)s on.") % {"day": plan.starts_on}, params)
    return Price(name, money_text(plan.price, catalogue.currency), "plan", plan.proposal_id, [reason])


def _tried(place: int, wanted: Wanted, current: Decimal, currency: str) -> Decimal:
    if (wanted.price is None) == (wanted.percent is None):
        raise BadPrice(place, "price", say("Give either a price or a percentage."))
    try:
        if wanted.price is not None:
            price = rounded(Decimal(str(wanted.price)), currency)
        else:
            price = rounded(float(current) * (1 + float(wanted.percent or 0) / 100), currency)
    except (InvalidOperation, ValueError):
        price = Decimal(0)
    if not (price.is_finite() and 0 < price < 10**10):
        raise BadPrice(place, "price", say("This is no price above 0."))
    return price


def _simulated(name: str, row: Any, price: Decimal, version: Any, rules: Rules, currency: str) -> Simulated:
    place = version.scorer.place_of(row["pk"]) if version else None
    shown: dict[str, Any] = {"current_price": money_text(row["price"], currency), "price": money_text(price, currency)}
    if place is None or row["price"] <= 0:
        reason = Reason("unknown", say("Nothing was learned of this product's demand yet."))
        return Simulated(name, **shown, elasticity=None, units=None, revenue=None, margin=None, gain=None,
                         prior_price=None, reasons=[reason])  # fmt: skip
    situation = tasks.situation_of(row, version.scorer, place, currency)
    response = tasks.response_of(version.scorer, place)
    effect = policy.effect(price, situation, response, rules)
    prior = policy.prior_price(price, situation)
    return Simulated(
        name, **shown,
        elasticity=elasticity_of(response.elasticity, response.lower, response.upper),
        **figures_of(asdict(effect), currency),  # type: ignore[arg-type]
        prior_price=money_text(prior, currency) if prior is not None else None,
        reasons=_why(version.scorer, place, response, price, situation, rules),
    )  # fmt: skip


def _why(
    scorer: Any, place: int, response: Response, price: Decimal, now: policy.Situation, rules: Rules
) -> list[Reason]:
    weeks = int(scorer.observations[place])
    params = {"elasticity": round(response.elasticity, 3), "weeks": weeks}
    found = [Reason("elasticity", say("By %(weeks)d weeks of sales at changing prices.") % params, params)]
    if not np.isfinite(scorer.arrays["own"][place]):
        found.append(
            Reason("pooled", say("This product's price hardly moved: it is judged by its category and brand."))
        )
    try:
        inside = int(price.scaleb(rules.digits)) in policy.allowed(now, rules)
    except policy.NoRoom:
        inside = False
    if not inside:
        found.append(Reason("outside_guard_rails", say("The guard-rails would not let this price be proposed.")))
    return found


def _keep(shop_id: int, kind: str, kept: payload.Payload, version: Any, fallback: str, started: float) -> Recorded:
    return record(
        NewDecision(
            shop_id=shop_id, plugin=PLUGIN, kind=kind, payload=kept,
            version_id=version.version_id if version else None, flags=("fallback",) if fallback else (),
            latency_ms=round((time.perf_counter() - started) * 1000, 3),
        ),
        durable=True,
    )  # fmt: skip


def _name(version: Any) -> str | None:
    return f"{version.learner.name} v{version.version_id}" if version else None
