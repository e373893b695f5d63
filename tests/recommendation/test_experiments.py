"""An arm chooses who answers, the holdout gets bestsellers, and the decision's row says so."""

from __future__ import annotations

from commerce_ai import registry
from commerce_ai.api.callers import Subject
from commerce_ai.decisions.experiments import lifecycle
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.models import Decision
from commerce_ai.shop import consent
from commerce_ai.shop.revision import refresher
from plugins.recommendation.answers import Request
from plugins.recommendation.service import recommend
from tests.recommendation.conftest import COLLABORATIVE

ARMS = [{"name": "none", "config": {"source": "bestsellers"}}, {"name": "AI", "config": {"source": COLLABORATIVE}}]


def run(shop) -> Experiment:
    made = Experiment.objects.create(shop=shop, name="x", plugin="recommendation", arms=ARMS)
    lifecycle.start(made)
    refresher.poll()
    return made


def answers(shop, names) -> dict[str, tuple]:
    found = {}
    for each in names:
        answer = recommend(shop.pk, Subject(anonymous_id=each), Request(n=3))
        found[each] = (answer, Decision.objects.of(shop).get(pk=answer.decision_id))
    return found


def test_the_arm_chooses_who_answers_and_stands_in_the_decision(shop, go_live):
    go_live(shop)
    experiment = run(shop)
    arms = set()
    for answer, kept in answers(shop, map(str, range(20))).values():
        assert kept.experiment_id == experiment.pk
        assert (answer.version is None) == (kept.arm == "none")
        assert kept.flags == []  # bestsellers by design are no failure
        assert len(answer.items) == 3
        arms.add(kept.arm)
    assert arms == {"none", "AI"}
    stranger = recommend(shop.pk, Subject(), Request(n=3))
    assert Decision.objects.of(shop).get(pk=stranger.decision_id).experiment_id is None


def test_the_holdout_gets_bestsellers(shop, go_live):
    go_live(shop)
    lifecycle.set_holdout(shop, 0.5)
    refresher.poll()
    found = answers(shop, map(str, range(20))).values()
    assert {kept.arm for _answer, kept in found} == {"holdout", ""}
    for answer, kept in found:
        assert (answer.version is None) == (kept.arm == "holdout")


def test_who_is_not_to_be_counted_is_not_drawn_and_nobody_in_an_emergency(shop, go_live):
    go_live(shop)
    run(shop)
    consent.record(shop, anonymous_id="shy", purpose="analytics", granted=False, source="test")
    refresher.poll()
    ((answer, kept),) = answers(shop, ["shy"]).values()
    assert (kept.experiment_id, kept.arm, answer.fallback) == (None, "", False)
    registry.save_settings(shop, "recommendation", {"bestsellers_only": True, "source": "auto", "items": 10})
    refresher.poll()
    ((answer, kept),) = answers(shop, ["1"]).values()
    assert kept.experiment_id is None and kept.flags == ["fallback"]
