"""A scikit-learn learner from a package of its own joins our slot: trained, judged, served, rolled back."""

from __future__ import annotations

import inspect
from datetime import date

import pytest

from commerce_ai import registry
from commerce_ai.api.keys import create_key
from commerce_ai.learning.models import Version
from commerce_ai.learning.runs import request_run, roll_back
from commerce_ai.sample.generate import TINY
from commerce_ai.sample.load import load_sample
from commerce_ai.shop.models import Customer
from commerce_ai.shop.revision import refresher

NEAREST = "nearest.factors"


@pytest.fixture
def shop(db, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    made = load_sample("tiny", 1, TINY, until=date(2026, 3, 1))
    registry.switch(made, "recommendation", True)
    return made


def train(shop, **params) -> Version:
    from commerce_ai.learning.attempt import execute
    from commerce_ai.learning.leases import claim, name_of_this_process

    run = request_run(shop, NEAREST, params or None, wake=False)
    claimed = claim(name_of_this_process(), run.pk)
    execute(claimed)
    run.refresh_from_db()
    assert run.state in ("succeeded", "rejected"), run.reason
    return run.versions.get()


def test_it_is_trained_judged_served_and_rolled_back(shop, client, django_capture_on_commit_callbacks):
    first = train(shop, factors=8)
    assert first.slot == "recommendation.candidates" and first.metrics["ndcg@20"] > first.baseline["ndcg@20"]
    assert first.state == "live", first.reason
    again = train(shop, factors=8)
    assert again.state == "live", "a refresh of the live recipe goes live"
    worse = train(shop, factors=1)
    assert worse.state == "rejected" and worse.reason

    registry.save_settings(
        shop, "recommendation", {**vars_of(registry.default_settings("recommendation")), "source": NEAREST}
    )
    _, key = create_key(shop, name="test", kind="secret")
    refresher.poll()
    customer = (
        Customer.objects.of(shop).filter(identities=None).order_by("pk").first() or Customer.objects.of(shop).first()
    )
    answer = ask(client, key, customer)
    assert answer["version"] == f"{NEAREST} v{again.pk}" and answer["items"]
    assert any(item["source"] == "factors" for item in answer["items"])

    roll_back(shop, first.slot, NEAREST)
    refresher.poll()
    assert ask(client, key, customer)["version"] == f"{NEAREST} v{first.pk}"
    states = dict(Version.objects.of(shop).filter(learner=NEAREST).values_list("pk", "state"))
    assert states[first.pk] == "live" and list(states.values()).count("live") == 1


def test_it_is_about_forty_lines_and_no_plugin_knows_it():
    learner = registry.learner(NEAREST)
    source = inspect.getsource(inspect.getmodule(type(learner)))
    assert len([line for line in source.splitlines() if line.strip()]) <= 50
    assert not type(learner).__module__.startswith("plugins.")


def ask(client, key, customer):
    answer = client.get(
        "/api/v1/recommendations",
        {"customer_id": customer.external_id, "n": 5},
        headers={"authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200, answer.content
    return answer.json()


def vars_of(settings) -> dict:
    import dataclasses

    return dataclasses.asdict(settings)
