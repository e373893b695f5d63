"""Experiments in the console: planned, started, read, stopped, shipped; by operators only."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.decisions.experiments import lifecycle
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.decisions.models import Outcome
from commerce_ai.ids import uuid7
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher

PLUGIN = "recommendation"
ARMS = [{"name": "A", "config": {"source": "bestsellers"}}, {"name": "B", "config": {"source": "auto"}}]
LIST = "/console/experiments/"


def make(shop: Shop, state: str = "running", **fields) -> Experiment:
    fields = {"name": "Home page", "arms": ARMS, "starts_at": timezone.now() - timedelta(days=20), **fields}
    return Experiment.objects.create(shop=shop, plugin=PLUGIN, state=state, **fields)


def measured(shop: Shop, a: int = 10_000, b: int = 10_100, **fields) -> Experiment:
    experiment = make(shop, **fields)
    for day in (1, 0):
        on = (timezone.now() - timedelta(days=day)).date()
        for arm, units, value, lift in (
            ("A", a, 0.032, {}),
            ("B", b, 0.039, {"lift": 0.22, "low": 0.09, "high": 0.36}),
        ):
            ExperimentPoint.objects.create(
                shop=shop, experiment=experiment, day=on, arm=arm, units=units, value=value, variance=0.03, **lift
            )
    return experiment


def page_of(experiment: Experiment) -> str:
    return reverse("console:experiment", args=[experiment.pk])


def test_an_empty_page_says_the_next_step(owner, shop):
    shown = owner.get(LIST).content.decode()
    assert "No experiments yet" in shown and "Hold a few visitors out" in shown
    assert reverse("console:experiment-add") in shown and LIST in owner.get("/console/").content.decode()


def test_planned_started_and_stopped(owner, shop):
    form = owner.get(reverse("console:experiment-add"))
    sent = {name: value for name, value in form.context["form"].initial.items() if value is not None}
    sent |= {"name": "Sources", "plugin": PLUGIN, "placement": "home", "arms": json.dumps(ARMS), "audience": "{}"}
    assert owner.post(reverse("console:experiment-add"), sent | {"rate": "3"}).status_code == 302
    made = Experiment.objects.of(shop).get()
    assert made.state == "draft" and 100_000 < made.planned < 400_000
    wrong = owner.post(reverse("console:experiment-change", args=[made.pk]), sent | {"arms": '[{"name": "A"}]'})
    assert "two to 8 arms" in wrong.content.decode()
    shown = owner.post(page_of(made), {"action": "start"}, follow=True).content.decode()
    assert "Nobody has been drawn yet." in shown
    assert owner.get(reverse("console:experiment-change", args=[made.pk])).status_code == 404
    owner.post(page_of(made), {"action": "refresh"})
    owner.post(page_of(made), {"action": "stop"})
    made.refresh_from_db()
    assert made.state == "stopped" and made.looked_at


def test_the_page_says_the_verdict_and_draws_the_band(owner, shop):
    experiment = measured(shop)
    shown = owner.get(page_of(experiment))
    text = shown.content.decode()
    assert "B converts 3.9 % against 3.2 %: +22 % (95 % interval +9 % to +36 %)" in text
    lifts, values = shown.context["charts"]
    assert (lifts.series[0].low, lifts.series[0].high) == ([0.09, 0.09], [0.36, 0.36])
    assert [each.label for each in values.series] == ["A", "B"]
    assert "+22 %" in owner.get(LIST).content.decode()


def test_shipping_makes_the_arm_the_plugins_setting(owner, shop):
    registry.switch(shop, PLUGIN, True)
    experiment = measured(shop)
    assert "is now what everybody gets" in owner.post(
        page_of(experiment), {"action": "ship", "arm": "A"}, follow=True
    ).content.decode()  # fmt: skip
    refresher.poll()
    assert registry.settings_for(shop.pk, PLUGIN).source == "bestsellers"


def test_arms_of_a_wrong_size_block_verdict_and_shipping(owner, shop):
    experiment = measured(shop, a=10_000, b=11_000)
    shown = owner.get(page_of(experiment)).content.decode()
    assert "No figure of this experiment counts" in shown and "+22 %" not in shown and 'value="ship"' not in shown
    owner.post(page_of(experiment), {"action": "ship", "arm": "B"})
    experiment.refresh_from_db()
    assert experiment.state == "running"


def test_the_holdout_is_set_and_measured(owner, shop):
    owner.post(LIST, {"percent": "5"})
    holdout = lifecycle.holdout_of(shop)
    assert holdout.parsed_arms[0].weight == 0.05
    shown = owner.get(LIST).content.decode()
    assert page_of(holdout) in shown and "Nobody has been drawn yet." in shown
    assert owner.get(page_of(holdout)).status_code == 200
    assert "less than or equal to 50" in owner.post(LIST, {"percent": "80"}, follow=True).content.decode()


def test_influenced_revenue_stands_beside_it_and_is_named_not_causal(owner, shop, other):
    for where, revenue in ((shop, 1234), (other, 9)):
        Outcome.objects.create(
            decision_id=uuid7(), shop=where, plugin=PLUGIN, kind="recommendations", made_at=timezone.now(),
            updated_at=timezone.now(), revenue=revenue,
        )  # fmt: skip
    shown = owner.get(LIST).content.decode()
    assert "1,234.00 EUR. Attributed, not causal" in shown


def test_an_analyst_reads_and_other_shops_are_out_of_reach(sign_in, shop, other):
    mine, theirs = measured(shop), make(other)
    analyst = sign_in("analyst")
    assert 'name="action"' not in analyst.get(page_of(mine)).content.decode()
    for send, address in (
        (analyst.post, page_of(mine)), (analyst.post, LIST), (analyst.get, reverse("console:experiment-add")),
    ):  # fmt: skip
        assert send(address, {"action": "stop"}).status_code == 403
    owner = sign_in("owner")
    for send in (owner.get, owner.post):
        assert send(page_of(theirs), {"action": "stop"}).status_code == 404
    assert "No experiments yet" not in owner.get(LIST).content.decode()


@pytest.mark.parametrize("pk", [0, 999_999])
def test_there_is_no_such_experiment(owner, pk):
    assert owner.get(f"{LIST}{pk}/").status_code == 404
