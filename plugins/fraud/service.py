"""Answers one payment: what is known of its customer and device, how likely fraud is, what is cheapest to do.

Warm, a payment that is allowed reads nothing from Postgres: versions, settings and the artifact's past are in memory,
the payments since then in Redis, and the decision is the one INSERT, on disk before the answer goes out. One that is
held up also writes its case.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
from django.db import DatabaseError
from django.utils.translation import gettext as say

from commerce_ai.api.callers import Subject
from commerce_ai.decisions import payload
from commerce_ai.decisions.experiments.drawing import draw
from commerce_ai.decisions.reasons import Reason
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.shop.facts import shop_facts
from commerce_ai.shop.kept import customer_ids
from plugins.fraud import entities, features, models, policy, queries, reasons, rules, seen
from plugins.fraud.answers import Answer, Request
from plugins.fraud.forms import SLOT
from plugins.fraud.trees import TreesParams

logger = logging.getLogger(__name__)
PLUGIN = "fraud"
NOBODY = Subject()
# A broken rule is no probability; for the costs, one passes for a suspicion and two for a conviction.
RULE_ODDS = (0.001, 0.3, 0.9)


def score(shop_id: int, request: Request, subject: Subject = NOBODY) -> Answer:
    """Allow, review or block; the decision is kept, and so is the payment for those that come after it.

    `subject` is whose payment it is, for experiments: only a customer is somebody here.
    """
    started = time.perf_counter()
    drawn = draw(shop_id, PLUGIN, "", subject)
    settings, person = drawn.settings, subject.customer_external_id
    versions = () if settings.rules_only else drawn.versions(SLOT)
    version = versions[0] if versions else None
    known = _Known(shop_id, request, version)
    probability, why, fallback = None, [], drawn.why
    if version is not None:
        try:
            probability, why = _by_version(version.scorer, known)
        except Exception:
            logger.exception("the live version of %s can't answer", SLOT)
            fallback = say("The live version could not answer: rules alone decide.")
            version = None
    if version is None:
        fallback = fallback or _why_rules(settings)
        hits = rules.broken(known.features, set(request.countries), limits_of(settings))
        why = [reasons.of_rule(hit) for hit in hits]
    odds = probability if probability is not None else RULE_ODDS[min(len(why), len(RULE_ODDS) - 1)]
    choice = _choose(shop_id, known, odds, settings)
    said = _said(why, choice)
    remembered = seen.remember(shop_id, known.customer, known.terminal, known.payment, known.time, known.units)
    if not remembered and known.history == "full":
        known.history = "trained" if version is not None else "none"
    decision = NewDecision(
        shop_id=shop_id,
        plugin=PLUGIN,
        kind="score",
        subject=f"payment:{request.payment_id}",
        customer_id=customer_ids.get(shop_id, person) if person and drawn.measured else None,
        version_id=version.version_id if version else None,
        payload=payload.Payload(value=_kept(choice, probability, request), context=_context(known)),
        reasons=[each.code for each in said],
        flags=(
            *(("fallback",) if fallback and not drawn.held_out else ()),
            *(("history",) if known.history != "full" else ()),
            *drawn.flags,
        ),
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
        **drawn.marks,
    )
    stored = record(decision, durable=True).stored
    return Answer(
        action=choice.action,
        score=None if probability is None else round(probability, 6),
        expected_costs={action: round(cost, 4) for action, cost in choice.costs.items()},
        reasons=said,
        decision_id=str(decision.decision_id),
        version=f"{version.learner.name} v{version.version_id}" if version else None,
        fallback=bool(fallback),
        fallback_reason=fallback,
        history=known.history,
        case_id=_case(shop_id, request, choice, probability, said, decision),
        stored=stored,
    )


def forget(shop_id: int, external_id: str) -> None:
    """Let go of a person's payments among those seen: of the customer, their cards and devices. Raises RedisError."""
    customers, terminals, payments = {entities.customer(external_id, None)}, set(), set()
    for payment, device, card, ip in queries.payments_of(shop_id, external_id):
        customers.add(entities.customer(None, card))
        terminals.add(entities.terminal(device, card, ip))
        payments.add(f"payment {payment}")
    numbers = [
        {found for each in names if (found := entities.number(shop_id, each)) is not None}
        for names in (customers, terminals, payments)
    ]
    seen.forget(shop_id, customers=numbers[0], terminals=numbers[1], payments=numbers[2])


def costs_of(settings: Any) -> policy.Costs:
    return policy.Costs(
        review=settings.review_cost,
        chargeback_fee=settings.chargeback_fee,
        margin=settings.margin,
        annoyance=settings.annoyance,
        review_from=settings.review_from,
        block_from=settings.block_from,
    )


def limits_of(settings: Any) -> rules.Limits:
    return rules.Limits(settings.customer_a_day, settings.device_a_day, settings.amount_limit, settings.countries)


class _Known:
    """The payment as the learner sees it, and how far back was looked."""

    def __init__(self, shop_id: int, request: Request, version: Any) -> None:
        local = request.at.astimezone(shop_facts(shop_id).tz)
        self.day = local.date().isoformat()
        self.time = int(request.at.timestamp() * 1_000_000)
        self.units = round(request.amount * features.UNITS)
        self.amount = request.amount
        self.weekend, self.night = local.weekday() >= 5, local.hour <= 6
        number = entities.number
        self.customer = number(shop_id, entities.customer(request.customer_id, request.card_fingerprint))
        self.terminal = number(
            shop_id, entities.terminal(request.device_id, request.card_fingerprint, request.ip)
        )  # fmt: skip
        self.payment = number(shop_id, f"payment {request.payment_id}") or 0
        self.history = "full"
        scorer = getattr(version, "scorer", None)
        past, until = _trained(scorer, self)
        self.delay_days = (
            TreesParams.label_delay_days if scorer is None or past is None else scorer.params.label_delay_days
        )
        past = past or _no_past()
        try:
            theirs, its = seen.recent(shop_id, self.customer, self.terminal, self.payment)
        except seen.Unavailable:
            theirs, its = seen.nothing(), seen.nothing()
            self.history = "trained" if until else "none"
        theirs, its = theirs.between(until, self.time), its.between(until, self.time)
        past = features.Past(
            np.concatenate([past.customer_times, theirs.times]),
            np.concatenate([past.customer_units, theirs.units]),
            np.concatenate([past.terminal_times, its.times]),
            past.fraud_times,
            past.fraud_known,
        )
        self.features = features.one(self.time, self.units, self.weekend, self.night, past, self.delay_days)


def _trained(scorer: Any, known: _Known) -> tuple[features.Past | None, int]:
    """What the artifact knows, and until when; a third party's may know nothing."""
    if not hasattr(scorer, "past_of") or scorer.past.customer.dtype.kind != "i":
        return None, 0
    nobody = features.nobody(scorer.past.customer)
    customer = nobody if known.customer is None else known.customer
    terminal = nobody if known.terminal is None else known.terminal
    return scorer.past_of(customer, terminal, known.time), scorer.until


def _no_past() -> features.Past:
    return features.Past(*(np.empty(0, np.int64) for _ in range(5)))


def _by_version(scorer: Any, known: _Known) -> tuple[float, list[reasons.Why]]:
    probability = float(scorer.probabilities(known.features)[0])
    added = scorer.contributions(known.features)[0]
    return probability, reasons.of_contributions(scorer.names, known.features[0], added)


def _said(why: list[reasons.Why], choice: policy.Choice) -> list[Reason]:
    """In the reader's language; there is always one."""
    said = [Reason(each.code, say(each.sentence) % each.params, each.params) for each in why]
    if not said:
        said = [Reason("nothing_unusual", say("Nothing unusual was found."))]
    if choice.full:
        said.append(Reason("no_reviews_left", say("Nobody has time for another review today.")))
    return said


def _choose(shop_id: int, known: _Known, odds: float, settings: Any) -> policy.Choice:
    costs = costs_of(settings)
    choice = policy.choose(odds, known.amount, costs, reviews_left=True)
    if choice.action != "review":
        return choice
    try:
        left = seen.take_review(shop_id, known.day, known.payment, settings.reviews_a_day)
    except seen.Unavailable:
        left = settings.reviews_a_day > 0  # nobody counts: rather too much work than a fraud that nobody sees
    return choice if left else policy.choose(odds, known.amount, costs, reviews_left=False)


def _case(
    shop_id: int, request: Request, choice: policy.Choice, probability: float | None, said: list[Reason],
    decision: NewDecision,
) -> int | None:  # fmt: skip
    if choice.action == "allow":
        return None
    try:
        return models.open_case(
            shop_id,
            request.customer_id,
            payment_external_id=request.payment_id,
            order_external_id=request.order_id,
            decision_id=decision.decision_id,
            action=choice.action,
            score=probability,
            amount=round(request.amount, 4),
            currency=shop_facts(shop_id).currency,
            expected_loss=choice.loss,
            reasons=[{"code": each.code, "text": each.text} for each in said],
        )
    except DatabaseError:
        logger.exception("a case could not be opened")
        return None


def _kept(choice: policy.Choice, probability: float | None, request: Request) -> dict[str, Any]:
    costs = {action: round(cost, 4) for action, cost in choice.costs.items()}
    score = None if probability is None else round(probability, 6)
    return {"action": choice.action, "score": score, "amount": request.amount, "expected_costs": costs}


def _context(known: _Known) -> dict[str, Any]:
    figures = dict(zip(features.NAMES, known.features[0].tolist(), strict=True))
    return {"history": known.history, "features": {name: round(value, 6) for name, value in figures.items()}}


def _why_rules(settings: Any) -> str:
    if settings.rules_only:
        return say("The shop has switched to rules only.")
    return say("No version is live yet: rules alone decide.")
