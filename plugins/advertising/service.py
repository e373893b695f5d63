"""Answers one request: which campaign to show to whom, or none; and keeps the decision.

Warm, nothing is read from Postgres: settings, consent and versions are in memory, campaigns and what a customer is
worth are kept for seconds, how often somebody was shown something is counted in Redis.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as say

from commerce_ai.decisions import payload
from commerce_ai.decisions.experiments.drawing import Drawn, draw
from commerce_ai.decisions.reasons import Reason
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.ids import time_of
from commerce_ai.shop.consent import Purpose, allows
from commerce_ai.shop.facts import shop_facts
from commerce_ai.shop.kept import customer_ids
from commerce_ai.shop.money import money_text
from plugins.advertising import caps, policy, worth
from plugins.advertising.answers import Answer, Request, Shown
from plugins.advertising.queries import shown_since
from plugins.advertising.statements import HELD_OUT, KIND, PLUGIN, SHOWN
from plugins.advertising.worth import Campaign

SLOT = "advertising.uplift"
MOST_CAMPAIGNS = 100


class UnknownCampaigns(LookupError):
    """The shop has no such campaigns: `args` are their names; `known` are those that it has, the newest first."""

    def __init__(self, names: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(*names)
        self.known = known


@dataclass(frozen=True)
class Person:
    """Whom it is about: `key` names them in counters and draws; `customer_id` is ours, of a proven customer only."""

    key: str
    customer_id: int | None


@dataclass(frozen=True)
class Outcome:
    """What was decided, before it is kept. Without `considered` there was nothing to choose."""

    reasons: list[Reason]
    considered: Campaign | None = None
    choice: policy.Choice | None = None
    uplift: float | None = None
    gain: float | None = None
    version: Any = None
    fallback: str = ""

    @property
    def arm(self) -> str:
        return "" if self.choice is None else SHOWN if self.choice.shown else HELD_OUT


def decide(shop_id: int, subject: Any, request: Request, *, keep: bool = True) -> Answer:
    """A campaign for `subject` (an api `Subject`), or none. With `keep` false nothing is stored or counted.

    Raises `UnknownCampaigns`.
    """
    started = time.perf_counter()
    _check(shop_id, request.campaigns)
    external_id = subject.customer_external_id if subject.proven else None
    named = {"customer_external_id": external_id, "anonymous_id": subject.anonymous_id}
    if not allows(shop_id, Purpose.ADS, **named):
        # Nothing of the person enters the decision either.
        outcome, person, drawn = Outcome([_no("no_consent", say("There is no consent to advertising"))]), None, None
    else:
        person = _person(shop_id, external_id, subject.anonymous_id)
        profiled = allows(shop_id, Purpose.PERSONALISATION, **named)
        drawn = draw(shop_id, PLUGIN, request.placement, subject)
        outcome = _decide(shop_id, person, profiled, request, drawn, keep)
        outcome = replace(outcome, fallback=drawn.why or outcome.fallback)
    return _answer(shop_id, subject, person, request, outcome, started, keep, drawn)


def _decide(shop_id: int, person: Person, profiled: bool, request: Request, drawn: Drawn, keep: bool) -> Outcome:
    settings = drawn.settings
    if settings.hold and drawn.in_arm:
        return Outcome([_no("no_message", say("Left alone, to compare with those who are not"))])
    if settings.hold:
        reason = say("The shop has stopped all campaigns.")
        return Outcome([_no("stopped", reason)], fallback=reason)
    now = datetime.now(UTC)
    running = [each for each in worth.campaigns.get(shop_id) if each.runs_at(now)]
    if request.campaigns:
        running = [each for each in running if each.external_id in request.campaigns]
    if not running:
        named = say("None of the campaigns that were named is running")
        return Outcome([_no("no_campaign", named if request.campaigns else say("No campaign is running"))])
    if (stop := _capped(shop_id, person, settings, now, taken=False)) is not None:
        return stop
    outcome = _choose(shop_id, person, profiled, running, drawn, now)
    if not (keep and outcome.choice and outcome.choice.shown):
        return outcome
    return _capped(shop_id, person, settings, now, taken=True) or outcome


def _check(shop_id: int, named: Sequence[str]) -> None:
    strange = set(named) - {each.external_id for each in worth.campaigns.get(shop_id)}
    known = worth.campaign_names.get(shop_id) if strange else None
    if known is not None and (missing := strange.difference(known)):
        raise UnknownCampaigns([each for each in dict.fromkeys(named) if each in missing], known)


def _choose(
    shop_id: int, person: Person, profiled: bool, running: Sequence[Campaign], drawn: Drawn, now: datetime
) -> Outcome:
    """By uplift × value − cost where somebody knows them, else by chance."""
    settings = drawn.settings
    version = next(iter(drawn.versions(SLOT)), None)
    known = worth.of_customer.get(shop_id, person.customer_id) if profiled and person.customer_id else None
    uplifts = [known.uplift_of(each.id) for each in running] if known and version else None
    period = now.toordinal() // settings.outcome_days
    key = f"{shop_id}:{person.key}:{period}"
    names = [each.external_id for each in running]
    explore, share = settings.explore_percent / 100, settings.random_percent / 100
    if uplifts is None or known is None or any(each is None for each in uplifts):
        choice = policy.choose(names, None, key, explore, share)
        reason = _by_chance(choice)
        return Outcome([reason], running[choice.index], choice, fallback=_why_fallback(version, person, profiled))
    order = known.order_value or worth.order_value.get(shop_id)
    margin = order * settings.margin_percent / 100
    costs = [settings.contact_cost if each.cost is None else each.cost for each in running]
    gains = [float(uplift or 0) * margin - cost for uplift, cost in zip(uplifts, costs, strict=True)]
    choice = policy.choose(names, gains, key, explore, share)
    uplift, gain = uplifts[choice.index], gains[choice.index]
    reason = _by_chance(choice) if choice.chance else _by_gain(shop_id, choice, float(uplift or 0), gain)
    return Outcome([reason], running[choice.index], choice, uplift, gain, version)


def _capped(shop_id: int, person: Person, settings: Any, now: datetime, *, taken: bool) -> Outcome | None:
    zone = shop_facts(shop_id).tz
    ask = caps.take if taken else caps.look
    state = ask(
        shop_id, person.key, now.astimezone(zone).toordinal(), settings.most_a_day, settings.most_a_week,
        lambda: _shown(shop_id, now, zone),
    )  # fmt: skip
    match state:
        case caps.State.DAY:
            return Outcome([_no("capped_day", say("Shown often enough today"))])
        case caps.State.WEEK:
            return Outcome([_no("capped_week", say("Shown often enough this week"))])
        case caps.State.UNKNOWN:
            words = say("How often this person was shown a campaign is not known at the moment.")
            return Outcome([_no("caps_unknown", words)], fallback=words)
        case _:
            return None


def _shown(shop_id: int, now: datetime, zone: ZoneInfo) -> caps.Shown:
    for decision, customer, anonymous in shown_since(shop_id, now - timedelta(days=caps.WEEK + 1)):
        yield key_of(customer, anonymous), time_of(decision).astimezone(zone).toordinal()


def _person(shop_id: int, external_id: str | None, anonymous_id: str | None) -> Person:
    customer_id = customer_ids.get(shop_id, external_id) if external_id else None
    if customer_id is None and not anonymous_id:
        return Person(f"u:{external_id}", None)
    return Person(key_of(customer_id, anonymous_id or ""), customer_id)


def forget(shop_id: int, customer_id: int | None, external_id: str, anonymous_ids: Iterable[str]) -> None:
    """Let go of how often a person was shown something. Raises redis.RedisError."""
    known = [key_of(customer_id, "")] if customer_id is not None else []
    caps.forget(shop_id, [*known, f"u:{external_id}", *(key_of(None, each) for each in anonymous_ids)])


def key_of(customer_id: int | None, anonymous_id: str) -> str:
    """How counters and draws name a person, the same from a request and from a kept decision."""
    return f"c:{customer_id}" if customer_id is not None else f"a:{anonymous_id}"


def _answer(
    shop_id: int, subject: Any, person: Person | None, request: Request, outcome: Outcome, started: float, keep: bool,
    drawn: Drawn | None,
) -> Answer:  # fmt: skip
    considered, choice, version = outcome.considered, outcome.choice, outcome.version
    shown = considered if choice and choice.shown else None
    context: dict[str, Any] = {}
    if considered and choice:
        context = {
            "considered": considered.id, "campaign": considered.external_id, "propensity": round(choice.propensity, 6),
            "by_chance": choice.chance, "uplift": _short(outcome.uplift), "gain": _short(outcome.gain),
        }  # fmt: skip
    decision = NewDecision(
        shop_id=shop_id,
        plugin=PLUGIN,
        kind=KIND,
        placement=request.placement,
        subject=f"campaign:{considered.external_id}" if considered else "",
        customer_id=person.customer_id if person else None,
        anonymous_id=subject.anonymous_id if person else None,
        session_id=subject.session_id if person else None,
        version_id=version.version_id if version else None,
        payload=payload.Payload(value=shown.external_id if shown else None, context=context),
        reasons=[each.code for each in outcome.reasons],
        flags=("fallback",) if outcome.fallback and not (drawn and drawn.held_out) else (),
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
        **({"arm": outcome.arm} | (drawn.marks if drawn else {})),
    )
    stored = record(decision).stored if keep else False
    return Answer(
        campaign=Shown(shown.external_id, shown.name, shown.channel) if shown else None,
        arm=outcome.arm,
        propensity=None if choice is None else _propensity(choice),
        reasons=outcome.reasons,
        decision_id=str(decision.decision_id),
        version=f"{version.learner.name} v{version.version_id}" if version else None,
        fallback=bool(outcome.fallback),
        fallback_reason=outcome.fallback,
        stored=stored,
    )


def _propensity(choice: policy.Choice) -> float:
    """The probability of what was done, shown or left alone."""
    return round(choice.propensity if choice.shown else 1 - choice.propensity, 6)


def _short(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 6)


def _no(code: str, text: str) -> Reason:
    return Reason(code, text)


def _by_chance(choice: policy.Choice) -> Reason:
    if choice.shown:
        return Reason("shown_by_chance", say("Shown by chance, to learn what the campaign does"))
    return Reason("held_out_by_chance", say("Left alone by chance, to learn what the campaign does"))


def _by_gain(shop_id: int, choice: policy.Choice, uplift: float, gain: float) -> Reason:
    currency = shop_facts(shop_id).currency
    params = {"points": f"{100 * uplift:.1f}", "gain": money_text(gain, currency), "currency": currency}
    if choice.shown:
        words = say("Orders more likely because of it: %(points)s points, worth %(gain)s %(currency)s after costs")
        return Reason("persuadable", words % params, params)
    words = say("It would cost more than it brings: %(points)s points, %(gain)s %(currency)s after costs")
    return Reason("not_worth_it", words % params, params)


def _why_fallback(version: Any, person: Person, profiled: bool) -> str:
    if version is None:
        return say("No version is live yet: a random share of the customers is shown a campaign.")
    if not profiled:
        return say("There is no consent to personalisation: a random share is shown a campaign.")
    if person.customer_id is None:
        return say("Of visitors nothing is known: a random share is shown a campaign.")
    return say("The live version does not know this customer: a random share is shown a campaign.")
