"""Experiments over REST: what the console's page says, for a shop's own dashboards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from commerce_ai.api import keys
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.shop.models import Shop
from tests.api.conftest import Call

LIST = "/api/v1/experiments"
ARMS = [{"name": "A", "weight": 1, "config": {"source": "bestsellers"}}, {"name": "B", "weight": 3}]


def make(shop: Shop, **fields: Any) -> Experiment:
    given = {"name": "Sources", "plugin": "recommendation", "state": "running", "arms": ARMS, "minimum_days": 0}
    return Experiment.objects.create(
        shop=shop, starts_at=timezone.now() - timedelta(days=20), **{**given, **fields}
    )  # fmt: skip


@pytest.fixture
def experiment(shop: Shop) -> Experiment:
    """Measured yesterday and today, and won by its second arm."""
    made = make(shop, left_out={"staff": 2})
    interval = {"lift": 0.22, "low": 0.09, "high": 0.36}
    interval |= {"difference": 0.007, "difference_low": 0.003, "difference_high": 0.011}
    for back in (1, 0):
        day = (timezone.now() - timedelta(days=back)).date()
        for arm, units, value, more in (("A", 10_000, 0.032, {}), ("B", 30_100, 0.039, interval)):
            ExperimentPoint.objects.create(
                shop=shop, experiment=made, day=day, arm=arm, units=units - 100 * back, value=value, variance=0.03, **more
            )  # fmt: skip
    return made


def test_arms_sizes_lift_and_verdict(call: Call, secret_key: str, experiment: Experiment) -> None:
    found = call("GET", f"{LIST}/{experiment.pk}", secret_key).json()
    a, b = found["arms"]
    assert (a["name"], a["share"], a["config"], a["units"]) == ("A", 0.25, {"source": "bestsellers"}, 10_000)
    assert a["version"] is None
    assert (a["value"], a["lift"], a["difference"]) == (0.032, None, None)
    assert (b["share"], b["units"], b["value"]) == (0.75, 30_100, 0.039)
    assert b["lift"] == {"estimate": 0.22, "low": 0.09, "high": 0.36}
    assert b["difference"] == {"estimate": 0.007, "low": 0.003, "high": 0.011}
    assert found["state"] == "running" and found["metric"] == "conversion" and not found["blocked"]
    assert 0.05 < found["mismatch"] <= 1 and found["left_out"] == {"programs": 0, "busy": 0, "staff": 2}
    assert found["verdict"] == [
        "B converts 3.9 % against 3.2 %: +22 % (95 % interval +9 % to +36 %)", "B is better than A.",
    ]  # fmt: skip


def test_where_sizes_are_wrong_no_lift_is_shown(call: Call, secret_key: str, experiment: Experiment) -> None:
    ExperimentPoint.objects.of(experiment.shop_id).filter(arm="A").update(units=20_000)
    found = call("GET", f"{LIST}/{experiment.pk}", secret_key).json()
    assert found["blocked"] and found["arms"][1]["lift"] is None and found["arms"][1]["difference"] is None
    assert len(found["verdict"]) == 1 and "not as large as they were meant to be" in found["verdict"][0]


def test_the_list_pages_and_a_draft_has_no_figures(
    call: Call, secret_key: str, shop: Shop, other_shop: Shop, experiment: Experiment
) -> None:
    draft = make(shop, state="draft")
    make(other_shop)
    first = call("GET", f"{LIST}?limit=1", secret_key).json()
    assert [each["id"] for each in first["results"]] == [experiment.pk]
    second = call("GET", f"{LIST}?limit=1&cursor={first['next']}", secret_key).json()
    assert second["next"] is None
    [shown] = second["results"]
    assert (shown["id"], shown["verdict"], shown["mismatch"], shown["figures_at"]) == (draft.pk, [], None, None)
    assert [(each["units"], each["value"], each["lift"]) for each in shown["arms"]] == [(0, None, None)] * 2


def test_only_ones_own_and_only_with_the_scope(
    call: Call, secret_key: str, publishable_key: str, shop: Shop, other_shop: Shop
) -> None:
    narrow = keys.create_key(shop, "narrow", "secret", ["decide"])[1]
    other = make(other_shop)
    for missing in (other.pk, 2**70, "x"):
        assert call("GET", f"{LIST}/{missing}", secret_key).status_code == 404
    assert {call("GET", LIST, key).status_code for key in (narrow, publishable_key)} == {403}
    assert call("GET", LIST).status_code == 401
    assert call("POST", LIST, secret_key, {}).status_code == 405
