"""Experiments in every plugin of ours that answers visitors, by its own routes: arms act, stay and exclude each other."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from commerce_ai import registry
from commerce_ai.api.keys import create_key
from commerce_ai.decisions.experiments import lifecycle, results, units
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.models import Decision
from commerce_ai.ingest import project
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher
from commerce_ai.testing import asker
from tests.factories import ShopFactory

DRAWING = {each.slug: each for each in registry.plugins() if each.draws and each.name.startswith("plugins.")}
# What an answer is like where the arm has put the emergency switch on.
STOPPED: dict[str, Any] = {
    "recommendation": lambda answer: "bestsellers only" in answer["fallback_reason"],
    "advertising": lambda answer: [each["code"] for each in answer["reasons"]] == ["no_message"],
    "support": lambda answer: answer["action"] == "handover" and "people only" in answer["fallback_reason"],
    "fraud": lambda answer: "rules only" in answer["fallback_reason"],
}


@pytest.fixture
def shop(db: None) -> Shop:
    units.forget_all()
    return ShopFactory()


def run(shop: Shop, slug: str, **fields: Any) -> Experiment:
    draws = DRAWING[slug].draws
    arms = [{"name": "as it is"}, {"name": "stopped", "config": {draws.emergency: True}}]
    fields = {"name": slug, "plugin": slug, "arms": arms, "unit": draws.units[0], **fields}
    made = lifecycle.start(Experiment.objects.create(shop=shop, **fields))
    refresher.poll()
    return made


class Asking:
    """A plugin's first kind of decision, by HTTP: the answer, and what was kept of it."""

    def __init__(self, shop: Shop, slug: str, client: Any) -> None:
        contract = importlib.import_module(f"tests.{slug}.test_contract").TestContract()
        self.shop, self.kind = shop, DRAWING[slug].draws.kinds[0]
        self._ask = asker(contract, DRAWING[slug], shop, client)

    def __call__(self, who: str, **more: Any) -> tuple[dict[str, Any], Decision]:
        answer = self._ask(self.kind, who, **more)
        return answer, Decision.objects.of(self.shop).get(pk=answer["decision_id"])

    def arm(self, who: str, **more: Any) -> tuple[int | None, str]:
        kept = self(who, **more)[1]
        return kept.experiment_id, kept.arm


@pytest.mark.parametrize("slug", DRAWING)
def test_an_arm_acts_and_whoever_is_in_it_stays(shop, client, slug):
    experiment, ask = run(shop, slug), Asking(shop, slug, client)
    seen = Counter()
    for who in map(str, range(24)):
        answer, kept = ask(who)
        assert (kept.experiment_id, kept.arm) == ask.arm(who) and kept.experiment_id == experiment.pk
        assert STOPPED[slug](answer) == (kept.arm == "stopped"), answer
        seen[kept.arm] += 1
    assert set(seen) == {"as it is", "stopped"} and min(seen.values()) >= 3


@pytest.mark.parametrize("slug", DRAWING)
def test_nobody_is_in_two_of_a_group_and_a_share_is_one(shop, client, slug):
    ask = Asking(shop, slug, client)
    one, two = (run(shop, slug, group="g", traffic=share) for share in (0.5, 0.25))
    people = list(map(str, range(40)))
    first = {who: ask.arm(who)[0] for who in people}
    sizes = Counter(first.values())
    assert sizes.keys() == {one.pk, two.pk, None}
    assert 9 <= sizes[one.pk] <= 31 and 2 <= sizes[two.pk] <= 21
    lifecycle.stop(one)
    refresher.poll()
    for who in people:  # the place of the one that is over stays empty: who was in it is in no other
        assert ask.arm(who)[0] == (None if first[who] == one.pk else first[who])


def test_who_signs_in_stays_where_they_were_in_every_plugin(shop, client):
    holdout = lifecycle.set_holdout(shop, 0.5)
    asking = {slug: Asking(shop, slug, client) for slug in DRAWING}
    experiments = {slug: run(shop, slug, unit="customer") for slug in DRAWING}
    sent = {"authorization": f"Bearer {create_key(shop, 'tracking', 'secret', ['track'])[1]}"}
    refresher.poll()
    strangers = [slug for slug, each in DRAWING.items() if "visitor" in each.draws.units]
    held = Counter()
    for who in map(str, range(10)):
        before = {slug: asking[slug].arm("-", anonymous_id=f"phone-{who}") for slug in strangers}
        said = {"userId": f"c{who}", "anonymousId": f"phone-{who}", "messageId": who}
        assert client.post("/v1/identify", json.dumps(said), "application/json", headers=sent).status_code == 200
        project.run()
        units.forget_all()
        known = {"customer_id": f"c{who}"}
        for slug in strangers:
            assert asking[slug].arm("-", anonymous_id=f"phone-{who}", **known) == before[slug]
            assert asking[slug].arm("-", anonymous_id=None, **known) == before[slug]
            assert asking[slug].arm("-", anonymous_id=f"laptop-{who}", **known) == before[slug]
        is_out = {experiment == holdout.pk for experiment, _arm in before.values()}
        assert len(is_out) == 1, "held out of one plugin is held out of all"
        for slug in DRAWING.keys() - set(strangers):
            expected = holdout.pk if True in is_out else experiments[slug].pk
            assert asking[slug].arm(f"c{who}")[0] == expected
        held[True in is_out] += 1
    assert set(held) == {True, False}


def test_a_server_that_names_only_the_conversation_speaks_for_whom_it_is_with(shop, client):
    ask = Asking(shop, "support", client)
    experiment = run(shop, "support")
    for who in map(str, range(6)):
        answer, kept = ask(who)
        again = ask("-", anonymous_id=None, conversation_id=answer["conversation_id"])[1]
        assert (again.experiment_id, again.arm, again.anonymous_id) == (experiment.pk, kept.arm, who)


def test_satisfaction_is_what_customers_say_of_their_conversations(shop, client):
    ask, experiment = Asking(shop, "support", client), run(shop, "support", metric="satisfaction")
    key = create_key(shop, "chat", "publishable", ["chat"], origins=["*"])[1]
    refresher.poll()

    def rate(conversation: str, who: str, rating: int) -> int:
        sent = json.dumps({"anonymous_id": who, "rating": rating})
        path = f"/api/v1/support/conversations/{conversation}/rating"
        headers = {"authorization": f"Bearer {key}"}
        return client.post(path, sent, "application/json", headers=headers).status_code

    for who in map(str, range(12)):
        answer, kept = ask(who)
        conversation = answer["conversation_id"]
        assert rate(conversation, "somebody else", 1) == 404 and rate(conversation, who, 6) == 400
        assert rate(conversation, who, 1) == rate(conversation, who, 5 if kept.arm == "stopped" else 2) == 200
    ask("not rated")
    results.refresh(experiment)
    found = results.summary(experiment)
    assert found and {each.name: round(each.value, 9) for each in found.arms} == {"as it is": 2.0, "stopped": 5.0}
    assert sum(each.units for each in found.arms) == 13


@pytest.mark.parametrize("slug", [each.slug for each in registry.plugins() if not each.draws])
def test_where_nobody_can_be_drawn_the_words_say_why(shop, slug):
    arms = [{"name": "A"}, {"name": "B"}]
    with pytest.raises(ValidationError) as error:
        Experiment(shop=shop, name="x", plugin=slug, arms=arms).full_clean(validate_constraints=False)
    (words,) = error.value.message_dict["plugin"]
    assert words == str(registry.plugin(slug).undrawn) or "answers no visitors" in words


def test_a_unit_that_a_plugin_does_not_know_is_refused(shop):
    arms = [{"name": "A"}, {"name": "B", "config": {"block_from": 0.9}}]
    experiment = Experiment(shop=shop, name="x", plugin="fraud", arms=arms)
    with pytest.raises(ValidationError, match="choose the unit customer"):
        experiment.full_clean(validate_constraints=False)
    experiment.unit = "customer"
    experiment.full_clean(validate_constraints=False)
