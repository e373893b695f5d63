"""Jobs: publish what a version learned, propose prices from it, carry out what was approved for today."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.proposals import Refused, State
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.learning.live import live
from commerce_ai.shop import bulk
from commerce_ai.shop.models import PriceResponse, Product, Shop
from commerce_ai.shop.money import minor_digits, rounded
from commerce_ai.shop.revision import bump
from plugins.pricing import policy, queries
from plugins.pricing.answers import figures_of
from plugins.pricing.models import PriceProposal
from plugins.pricing.policy import Response, Rules, Situation
from plugins.pricing.scorer import ElasticityScorer

logger = logging.getLogger(__name__)

PLUGIN, SLOT = "pricing", "pricing.elasticity"
KEEP_OPEN = timedelta(days=14)
MOST_PROPOSALS = 500  # of one training: more than anybody decides in a fortnight


def publish_version(scorer: ElasticityScorer, version: Any) -> None:
    """After a training: `PriceResponse` for every product, and new proposals."""
    shop = version.shop
    write_responses(shop, scorer, version.pk)
    propose(shop, scorer, version.pk)


def publish(shop_id: int) -> int:
    """The same from the live version, for costs, prices and settings of today; how many are proposed."""
    found = next(iter(live(shop_id, SLOT)), None)
    if found is None:
        return 0
    return propose(Shop.objects.get(pk=shop_id), found.scorer, found.version_id)


def carry_out(shop_id: int) -> int:
    """Let approved prices hold whose day has come; how many. What is refused is undone and says why in its reasons."""
    shop = Shop.objects.get(pk=shop_id)
    if registry.settings_for(shop_id, PLUGIN).catalogue_only:
        return 0
    today = timezone.now().astimezone(shop.tz).date()
    due = PriceProposal.objects.of(shop).filter(state=State.APPROVED, carried_out_at__isnull=True, starts_on__lte=today)
    done = 0
    for each in due.order_by("starts_on", "pk").select_related("shop", "product"):
        try:
            with transaction.atomic():
                locked = PriceProposal.objects.of(shop).select_for_update(of=("self",)).get(pk=each.pk)
                if locked.state != State.APPROVED or locked.carried_out_at is not None:
                    continue
                if Product.objects.of(shop).get(pk=locked.product_id).price != locked.current_price:
                    raise Refused(say("The product's price has changed since it was approved."))
                locked.carry_out()
                locked.save()
                done += 1
        except Refused as error:
            each.undo()
            each.reasons = [*each.reasons, {"code": "not_carried_out", "message": str(error), "params": {}}]
            each.save(update_fields=["reasons"])
            logger.warning("proposal %s was not carried out: %s", each.pk, error)
    return done


def write_responses(shop: Shop, scorer: ElasticityScorer, version_id: int) -> None:
    """Replace the shop's `PriceResponse` rows by what this version learned."""
    ids = [int(each) for each in scorer.product_ids]
    known = set(Product.objects.of(shop).filter(pk__in=ids).values_list("pk", flat=True))
    now, level = timezone.now(), scorer.about["params"]["level"]
    rows = [
        (
            shop.pk, product, version_id, now, float(scorer.elasticity[place]), float(scorer.lower[place]),
            float(scorer.upper[place]), level, scorer.pooled_with(place)[:500], int(scorer.observations[place]),
        )
        for place, product in enumerate(ids)
        if product in known
    ]  # fmt: skip
    columns = (
        "shop", "product", "version_id", "as_of", "elasticity", "low", "high", "level", "pooled_with", "observations",
    )  # fmt: skip
    with transaction.atomic():
        bulk.upsert(PriceResponse, columns, rows, key=("product",))
        PriceResponse.objects.of(shop).exclude(product_id__in=known).delete()


def propose(shop: Shop, scorer: ElasticityScorer, version_id: int) -> int:
    """Put new proposals in the place of the open ones: where the lower bound of the expected gain is above nothing.

    Left out are products with little evidence, those whose interval reaches 0 or above, those that were decided on
    lately (their effect is still to be seen), and those to which the guard-rails leave no room.
    """
    settings = registry.settings_for(shop.pk, PLUGIN)
    if settings.catalogue_only:
        return 0
    now, rules = timezone.now(), rules_of(settings, shop.currency)
    PriceProposal.objects.of(shop).expire()
    recent = PriceProposal.objects.of(shop).filter(decided_at__gt=now - timedelta(days=settings.rest_days))
    resting = set(
        recent.filter(state__in=[State.APPROVED, State.REJECTED, State.UNDONE]).values_list("product_id", flat=True)
    )
    wanted = {
        int(product): place
        for place, product in enumerate(scorer.product_ids)
        if int(scorer.observations[place]) >= settings.least_observations
        and float(scorer.upper[place]) < 0
        and int(product) not in resting
    }
    found = []
    for product, row in queries.situations(shop.pk, wanted, now).items():
        place = wanted[product]
        situation, response = situation_of(row, scorer, place, shop.currency), response_of(scorer, place)
        try:
            advice = policy.best(situation, response, rules)
        except policy.NoRoom:
            continue
        if advice is not None and advice.effect.gain is not None and advice.effect.gain.low > 0:
            found.append((advice, product, row, place))
    found.sort(key=lambda each: -each[0].effect.gain.value)  # type: ignore[union-attr]
    with transaction.atomic():
        open_ones = PriceProposal.objects.of(shop).filter(state=State.PROPOSED)
        open_ones.update(state=State.EXPIRED, decided_at=now)
        for advice, product, row, place in found[:MOST_PROPOSALS]:
            _make(shop, scorer, version_id, advice, product, row, place)
        bump("catalogue", shop)
    return len(found[:MOST_PROPOSALS])


def rules_of(settings: Any, currency: str) -> Rules:
    """The shop's settings as the policy's guard-rails."""
    return Rules(
        min_margin=settings.min_margin_percent / 100,
        above_highest=settings.above_highest_percent / 100,
        max_step=settings.max_step_percent / 100,
        ending=settings.ending,
        digits=minor_digits(currency),
        tax=settings.tax_percent / 100,
    )


def situation_of(row: dict[str, Any], scorer: ElasticityScorer, place: int, currency: str) -> Situation:
    """A product of `queries.situations` as the policy sees it."""
    price = row["price"]
    return Situation(
        price=price,
        cost=row["cost"],
        units=scorer.units_at(place, float(price)),
        highest_price=max(price, rounded(float(scorer.highest_price[place]), currency)),
        lowest_30_days=row["lowest_30_days"],
    )


def response_of(scorer: ElasticityScorer, place: int) -> Response:
    return Response(float(scorer.elasticity[place]), float(scorer.lower[place]), float(scorer.upper[place]))


def _make(
    shop: Shop, scorer: ElasticityScorer, version_id: int, advice: Any, product: int, row: dict[str, Any], place: int
) -> None:
    effect, response = advice.effect, response_of(scorer, place)
    dearer = advice.price > row["price"]
    reasons: list[dict[str, Any]] = [
        {
            "code": "raise" if dearer else "lower",
            "message": say("Demand answers to price with %(elasticity).2f (%(low).2f to %(high).2f).")
            % {"elasticity": response.elasticity, "low": response.lower, "high": response.upper},
            "params": {name: round(value, 4) for name, value in asdict(response).items()},
        }
    ]
    value: dict[str, Any] = {"price": str(advice.price), "current_price": str(row["price"])}
    value["effect"] = msgspec.to_builtins(figures_of(asdict(effect), shop.currency))
    kept = record(
        NewDecision(
            shop_id=shop.pk, plugin=PLUGIN, kind="price proposal", subject=f"product:{row['external_id']}",
            payload=Payload(value=value), reasons=[each["code"] for each in reasons], version_id=version_id,
        ),
        durable=True,
    )  # fmt: skip
    PriceProposal(
        shop=shop, product_id=product, current_price=row["price"], price=advice.price, cost=row["cost"],
        prior_price=advice.prior_price, starts_on=timezone.now().astimezone(shop.tz).date(),
        elasticity=response.elasticity, elasticity_low=response.lower, elasticity_high=response.upper,
        observations=int(scorer.observations[place]), effect=asdict(effect),
        expected_gain=_money(effect.gain.value), gain_low=_money(effect.gain.low), gain_high=_money(effect.gain.high),
        reasons=reasons, version_id=version_id, decision_id=kept.decision_id,
        expires_at=timezone.now() + KEEP_OPEN,
    ).save()  # fmt: skip


def _money(value: float) -> Decimal:
    return Decimal(str(round(value, 4)))
