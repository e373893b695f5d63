"""Visitors on a running server: what they do over the public API becomes marked facts and attributed outcomes."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from commerce_ai import registry
from commerce_ai.api.models import ApiKey
from commerce_ai.decisions import attribution
from commerce_ai.decisions.experiments import lifecycle
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.models import Credit, Decision, Outcome
from commerce_ai.ingest import project
from commerce_ai.management.commands.visit import in_words, keys_for_visitors
from commerce_ai.sample.choice import MODELS
from commerce_ai.sample.generate import TINY, generate
from commerce_ai.sample.load import load_sample
from commerce_ai.sample.regenerate import sample_of
from commerce_ai.sample.storefront import SIMULATED, Api, Keys, Range, Unanswered
from commerce_ai.sample.traffic import Town, drive
from commerce_ai.sample.truth import truth_of
from commerce_ai.shop.models import Event, Order, Shop
from tests.servers import web_server

ARMS = [{"name": "none", "config": {"source": "bestsellers"}}, {"name": "AI"}]


@pytest.mark.process
@pytest.mark.xdist_group("process")
@pytest.mark.django_db(transaction=True)
def test_visitors_react_to_what_they_are_shown_and_it_is_counted() -> None:
    shop = load_sample("tiny", 1, TINY, until=date(2026, 3, 1))
    before = Event.objects.of(shop).count(), Order.objects.of(shop).count()
    for plugin in ("recommendation", "advertising", "fraud", "pricing"):  # support stays off: nobody minds
        registry.switch(shop, plugin, True)
    experiment = lifecycle.start(Experiment.objects.create(shop=shop, name="x", plugin="recommendation", arms=ARMS))
    sample, truth = sample_of(shop)
    with web_server() as web, keys_for_visitors(shop) as keys:
        api = Api(web.url, keys)
        api.wait_for_keys()
        told: list[float] = []
        town = Town(Range(sample), truth, MODELS["logit"], seed=3)
        tally = drive(api, town, rate=500, most=120, tell=lambda tally, share: told.append(share))
        web.stop()
        lost = drive(api, town, rate=500, most=3)
    assert tally.visits == 120 and not tally.troubles, (tally.troubles, tally.first_trouble)
    assert tally.views > tally.clicks > 0 and tally.orders > 0
    assert told == sorted(told) and told[-1] == 1.0
    assert not ApiKey.objects.of(shop).exists()

    # What they did is marked, and is all that came.
    marked = Event.objects.of(shop).filter(platform=SIMULATED)
    assert marked.count() == Event.objects.of(shop).count() - before[0]
    assert marked.filter(name="Product Viewed").count() == tally.views
    project.run()
    orders = Order.objects.of(shop).filter(external_id__startswith="sim-")
    assert orders.count() == tally.orders == Order.objects.of(shop).count() - before[1]

    # Their clicks came of decisions; everybody who was shown a list stands in an arm.
    attribution.run(shop)
    clicked = marked.filter(name="Product Viewed", decision_id__isnull=False)
    assert clicked.count() == tally.clicks
    assert Outcome.objects.of(shop).filter(decision_id__in=clicked.values("decision_id")).exists()
    assert Credit.objects.of(shop).filter(order_id__in=orders.values("pk")).exists()
    lists = Decision.objects.of(shop).filter(plugin="recommendation")
    assert set(lists.values_list("experiment_id", "arm")) == {(experiment.pk, "none"), (experiment.pk, "AI")}

    # A server that is gone is told, not raised.
    assert lost.visits == 3 and lost.troubles == {"/api/v1/ads/decide no answer": 3}
    assert "3 visits ended by an error" in in_words(lost, 3)


@pytest.mark.django_db
def test_only_a_sample_shop_is_visited() -> None:
    Shop.objects.create(slug="real", name="Real", currency="EUR")
    for shop in ("real", "nowhere"):
        with pytest.raises(CommandError, match="no sample shop"):
            call_command("visit", shop=shop)
    with pytest.raises(CommandError, match="--rate"):
        call_command("visit", shop="real", rate=0)


def test_visitors_can_be_stopped() -> None:
    sample = generate(1, TINY, date(2026, 3, 1))
    town, stop = Town(Range(sample), truth_of(sample, 1), MODELS["logit"], 1), threading.Event()
    api = Api("http://127.0.0.1:1", keys=Keys("pk", "sk", "ct"))

    def tell(tally: Any, share: float) -> None:
        if tally.visits >= 3:
            stop.set()

    tally = drive(api, town, rate=200, stop=stop, tell=tell)
    assert 3 <= tally.visits < 40 and tally.conversion == 0
    assert drive(api, town, rate=200, stop=stop).visits == 0


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not an http address"):
        Api("ftp://x", keys=None)  # type: ignore[arg-type]
    with pytest.raises(Unanswered, match="/api/v1/me: no answer"):
        Api("http://127.0.0.1:1", keys=None).get("/api/v1/me", "k")  # type: ignore[arg-type]
