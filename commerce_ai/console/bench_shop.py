"""A shop of so many events for `benchmark console pages`, written straight into the tables."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.console.bench_rows import FACTS
from commerce_ai.decisions import outcomes
from commerce_ai.decisions.experiments.lifecycle import set_holdout, start
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.ingest import metrics
from commerce_ai.learning.models import Run
from commerce_ai.shop import models as facts
from commerce_ai.shop import partitions
from commerce_ai.shop.models import Shop

DAYS = 90
PROPOSALS = 500
AT_ONCE = 5_000


def fill(events: int) -> Shop:
    """The shop with catalogue, people, events, orders, decisions, proposals, published rows and its daily figures."""
    draw = random.Random(events)  # noqa: S311
    now = timezone.now()
    begin = now - timedelta(days=DAYS)
    partitions.ensure_months((begin - timedelta(days=2)).date(), now.date())
    shop = Shop.objects.create(slug=f"bench-{events}", name=f"Bench {events:,}", currency="EUR")
    for plugin in registry.plugins():
        registry.switch(shop, plugin.slug, on=True)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no marks: what came of decisions is written below
        place, goods, people = _catalogue(shop, events, draw, now)
        asked = {
            "shop": shop.pk, "events": events, "decisions": events // 10, "visitors": events // 20, "start": begin,
            "days": DAYS, "products": len(goods), "product": goods[0].pk, "orders": events // 40,
            "customers": len(people), "customer": people[0].pk, "location": place.pk,
        }  # fmt: skip
        for statement in FACTS:
            cursor.execute(statement, asked)
        _waiting(shop, events, draw, now, goods, people)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")
    metrics.count_stored(shop)
    _figures(shop, draw, now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return shop


def _catalogue(shop: Shop, events: int, draw: random.Random, now: datetime) -> tuple[Any, list[Any], list[Any]]:
    _many(facts.Campaign, ({"shop": shop, "external_id": f"c{n}", "name": f"Campaign {n}"} for n in range(3)))
    place = facts.Location.objects.create(shop=shop, external_id="main", name="Main")
    goods = _many(facts.Product, (
        {"shop": shop, "external_id": f"p{n}", "title": f"Product {n}", "price": 10 + n % 40, "cost": 6,
         "brand": f"Brand {n % 50}", "category": f"Category {n % 30}"}
        for n in range(min(events // 100, 5_000))
    ))  # fmt: skip
    people = _many(facts.Customer, (
        {"shop": shop, "external_id": f"c{n}", "country": "DE"} for n in range(events // 100)
    ))  # fmt: skip
    today = now.date()
    _many(facts.StockLevel, (
        {"shop": shop, "product": each, "location": place, "on_hand": draw.randrange(99)} for each in goods
    ))  # fmt: skip
    _many(facts.StockOutlook, (
        {"shop": shop, "product": each, "days_of_cover": 9, "as_of": now,
         "stock_out_on": today + timedelta(days=draw.randrange(60))}
        for each in goods
    ))  # fmt: skip
    _many(facts.PriceResponse, (
        {"shop": shop, "product": each, "elasticity": -2, "low": -3, "high": -0.5, "as_of": now} for each in goods
    ))  # fmt: skip
    levels = {"q05": 0, "q10": 1, "q25": 2, "q50": 4, "q75": 6, "q90": 8, "q95": 9, "q99": 12}
    _many(facts.DemandForecast, (
        {"shop": shop, "product": each, "day": today + timedelta(days=ahead), "as_of": now, "mean": 4, **levels}
        for each in goods for ahead in range(28)
    ))  # fmt: skip
    return place, goods, people


def _waiting(shop: Shop, events: int, draw: random.Random, now: datetime, goods: list[Any], people: list[Any]) -> None:
    """Proposals, cases, talks, reviews and what was judged of them; runs; experiments with their points."""
    suppliers = _many(facts.Supplier, (
        {"shop": shop, "external_id": f"s{n}", "name": f"Supplier {n}"} for n in range(20)
    ))  # fmt: skip
    _many(apps.get_model("pricing", "PriceProposal"), (
        {"shop": shop, "product": each, "current_price": 10, "price": 9 + n % 3, "starts_on": now.date(),
         "elasticity": -2, "elasticity_low": -3, "elasticity_high": -1, "expected_gain": 1 + n % 50, "gain_low": 1,
         "effect": {name: {"value": 5, "low": 1, "high": 9} for name in ("units", "revenue", "margin", "gain")},
         "expires_at": now + timedelta(days=14)}
        for n, each in enumerate(goods[:PROPOSALS])
    ))  # fmt: skip
    _many(apps.get_model("inventory", "ReorderProposal"), (
        {"shop": shop, "product": each, "supplier": suppliers[n % 20], "quantity": 12, "proposed_quantity": 12,
         "available": 3, "order_by": now.date() + timedelta(days=n % 9), "lead_days": 7, "safety_stock": 4,
         "reorder_point": 10, "order_up_to": 24, "service_level": 0.95, "expected_gain": 1 + n % 50, "unit_cost": 6}
        for n, each in enumerate(goods[PROPOSALS // 2 : PROPOSALS + PROPOSALS // 2])
    ))  # fmt: skip
    _many(apps.get_model("fraud", "Case"), (
        {"shop": shop, "payment_external_id": f"pay{n}", "action": "review", "amount": 100, "currency": "EUR",
         "expected_loss": n % 90, "score": 0.4, "customer": draw.choice(people)}
        for n in range(PROPOSALS)
    ))  # fmt: skip
    talks = _many(facts.Conversation, (
        {"shop": shop, "external_id": f"t{n}", "customer": draw.choice(people),
         "status": "handed_off" if n % 20 == 0 else "closed"}
        for n in range(events // 400)
    ))  # fmt: skip
    _many(facts.Message, (
        {"shop": shop, "external_id": f"m{n}", "conversation": talks[n // 3], "role": "customer",
         "text": "Where is it?"}
        for n in range(3 * len(talks))
    ))  # fmt: skip
    reviews = _many(facts.Review, (
        {"shop": shop, "external_id": f"r{n}", "product": draw.choice(goods), "rating": 1 + n % 5,
         "text": "Good for its price.", "at": now - timedelta(days=DAYS * draw.random())}
        for n in range(events // 200)
    ))  # fmt: skip
    _many(apps.get_model("sentiment", "Judgement"), (
        {"shop": shop, "kind": "review", "text_id": each.pk, "product": each.product, "at": each.at,
         "day": each.at.date(), "label": ("negative", "neutral", "positive")[n % 3], "sentiment": n % 3 - 1}
        for n, each in enumerate(reviews)
    ))  # fmt: skip
    _many(Run, (
        {"shop": shop, "learner": name, "slot": learner.slot, "recipe": "abc", "params": {},
         "state": "succeeded" if n else "failed", "reason": "ValueError: no rows",
         "queued_at": now - timedelta(days=n)}
        for name, learner in registry.learners().items() for n in range(60)
    ))  # fmt: skip
    holdout = set_holdout(shop, 0.1)
    arms = [{"name": "bestsellers", "weight": 0.5, "config": {}}, {"name": "ai", "weight": 0.5, "config": {}}]
    running = [
        start(Experiment.objects.create(shop=shop, name=name, plugin="recommendation", placement=name, arms=arms))
        for name in ("home", "cart", "product")
    ]
    for each in filter(None, [holdout, *running]):
        _many(ExperimentPoint, (
            {"shop": shop, "experiment": each, "day": now.date() - timedelta(days=back), "arm": arm.name,
             "units": (DAYS - back) * 500, "value": 0.03 + 0.001 * place, "variance": 0.03,
             **({"lift": 0.1, "low": -0.2, "high": 0.4, "difference": 0.003, "difference_low": -0.01,
                 "difference_high": 0.01} if place else {})}
            for back in range(DAYS) for place, arm in enumerate(each.parsed_arms)
        ))  # fmt: skip


def _figures(shop: Shop, draw: random.Random, now: datetime) -> None:
    _many(facts.DailyMetric, (
        {"shop": shop, "day": now.date() - timedelta(days=back), "name": name, "dimension": plugin.slug,
         "value": draw.random() * 1000}
        for back in range(DAYS) for plugin in registry.plugins() for name in outcomes.NAMES
    ))  # fmt: skip


def _many(model: Any, rows: Iterable[dict[str, Any]]) -> list[Any]:
    return model._default_manager.bulk_create([model(**row) for row in rows], batch_size=AT_ONCE)
