"""Runs and versions: progress by polling, cancel, compare, start; promote and roll back through the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from msgspec import Meta

from commerce_ai import registry
from commerce_ai.console.params_form import form_of
from commerce_ai.learning.models import Run, RunLog, RunPoint, Version
from commerce_ai.shop.revision import refresher
from tests.console.rows import BASELINE, METRICS, make_run, make_version

POPULARITY = "recommendation.popularity"


@pytest.fixture
def on(shop):
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()


def run_page(name, run):
    return reverse(f"admin:learning_run_{name}", args=[run.pk])


def version_page(name, version):
    return reverse(f"admin:learning_version_{name}", args=[version.pk])


def test_an_open_run_polls_and_an_ended_one_stops(owner, shop):
    run = make_run(shop, state="running", stage="fit: epoch 3", progress=0.4)
    page = owner.get(run_page("change", run)).content.decode()
    assert f'hx-get="{run_page("progress", run)}"' in page and "every 2s" in page and "fit: epoch 3" in page
    RunPoint.objects.create(run=run, name="fit/loss", step=99, value=0.123456)
    RunLog.objects.create(run=run, text="<b>epoch 4</b>", level="warning")
    part = owner.get(run_page("progress", run)).content.decode()
    assert "<html" not in part and "0.123456" in part and "&lt;b&gt;epoch 4&lt;/b&gt;" in part
    assert 'value="40"' in part and "hx-get" in part
    Run.objects.of(shop).update(state="failed", reason="ValueError: no rows")
    part = owner.get(run_page("progress", run)).content.decode()
    assert "hx-get" not in part and "ValueError: no rows" in part


def test_figures_stand_beside_the_baseline(owner, shop):
    run = make_run(shop, state="succeeded", metrics=METRICS, baseline=BASELINE, reason="First version: better.")
    version = make_version(shop, run=run, state="live")
    page = owner.get(run_page("change", run))
    own = registry.learner(POPULARITY).metric
    first = page.context["metrics"][0]
    if own.name in METRICS:
        assert first["name"] == own.name and first["better"] is True
    content = page.content.decode()
    assert "First version: better." in content and version_page("change", version) in content


def test_cancelling(owner, shop, sign_in):
    run = make_run(shop, state="queued")
    assert sign_in("analyst").post(run_page("cancel", run)).status_code == 403
    assert owner.get(run_page("cancel", run)).status_code == 405
    assert owner.post(run_page("cancel", run)).status_code == 302
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_comparing_leaves_other_shops_out(owner, shop, other):
    ours, theirs = [make_run(shop, metrics=METRICS), make_run(shop, metrics={"ndcg_at_20": 0.1})], make_run(other)
    address = reverse("admin:learning_run_compare")
    page = owner.get(address, {"run": [*(each.pk for each in ours), theirs.pk, "x"]})
    assert [each.pk for each in page.context["runs"]] == [each.pk for each in ours]
    chart = next(each for each in page.context["charts"] if each.title == "fit/loss")
    assert len(chart.series) == 2
    assert owner.get(address).status_code == 200
    chosen = {"action": "compare_chosen", "_selected_action": [each.pk for each in ours]}
    answer = owner.post(reverse("admin:learning_run_changelist"), chosen)
    assert answer.status_code == 302 and answer["Location"].startswith(address)


def test_a_training_is_started_from_its_form(owner, shop, on, django_capture_on_commit_callbacks):
    page = owner.get(reverse("admin:learning_run_add"))
    assert POPULARITY in page.content.decode() and "form" not in page.context
    address = f"{reverse('admin:learning_run_add')}?learner={POPULARITY}"
    form = owner.get(address).context["form"]
    sent = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    answer = owner.post(address, {name: value for name, value in sent.items() if value not in (None, False)})
    run = Run.objects.of(shop).get()
    assert answer.status_code == 302 and answer["Location"] == run_page("change", run)
    assert (run.learner, run.requested_by, run.state) == (POPULARITY, owner.user, "queued")
    assert run.params == registry_defaults(POPULARITY)


def registry_defaults(name):
    from commerce_ai.learning.params import params_json

    return params_json(registry.learner(name).params())


def test_a_training_needs_a_plugin_that_is_on(owner, shop):
    assert "Nothing to train" in owner.get(reverse("admin:learning_run_add")).content.decode()


def test_promote_and_roll_back(owner, shop):
    first = make_version(shop, state="live")
    second = make_version(shop, state="rejected", reason="worse than the live one")
    asked = owner.get(version_page("promote", second)).content.decode()
    assert "worse than the live one" in asked and Version.objects.of(shop).get(state="live") == first
    assert owner.post(version_page("promote", second)).status_code == 302
    assert Version.objects.of(shop).get(state="live") == second
    assert version_page("roll_back", second) in owner.get(version_page("change", second)).content.decode()
    assert owner.get(version_page("roll_back", second)).status_code == 200
    owner.post(version_page("roll_back", second))
    assert Version.objects.of(shop).get(state="live") == first
    said = {each.get_change_message() for each in LogEntry.objects.all()}
    assert said == {"Sent live by hand.", "Rolled back by hand."}
    owner.post(version_page("roll_back", second))  # an old page, sent again
    assert Version.objects.of(shop).get(state="live") == first


def test_the_first_version_is_not_rolled_back(owner, shop):
    version = make_version(shop, state="live")
    for send in (owner.get, owner.post):
        assert "none to go back to" in send(version_page("roll_back", version), follow=True).content.decode()
    assert Version.objects.of(shop).get(state="live") == version


def test_a_version_without_files_is_not_promoted(owner, shop):
    gone = make_version(shop, state="retired", manifest="")
    assert version_page("promote", gone) not in owner.get(version_page("change", gone)).content.decode()
    answer = owner.post(version_page("promote", gone), follow=True)
    assert "let go" in answer.content.decode() and not Version.objects.of(shop).filter(state="live").exists()


def test_an_analyst_moves_nothing(sign_in, shop):
    version = make_version(shop, state="candidate")
    analyst = sign_in("analyst")
    page = analyst.get(version_page("change", version)).content.decode()
    assert version_page("promote", version) not in page
    for name in ("promote", "roll_back"):
        assert analyst.get(version_page(name, version)).status_code == 403
        assert analyst.post(version_page(name, version)).status_code == 403


def test_a_version_without_curves_says_why(owner, shop):
    why = {POPULARITY: "the older the less", "fraud.trees": "Too few rows were held out"}
    for learner, words in why.items():
        slot = registry.learner(learner).slot
        version = make_version(
            shop, learner=learner, slot=slot, exclusive_key=slot, explanation={"weights": [["a", 1.0]]}
        )
        assert words in owner.get(version_page("change", version)).content.decode()


def test_a_version_of_an_uninstalled_plugin_still_opens(owner, shop):
    gone = make_version(shop, learner="gone.learner", slot="gone.slot", exclusive_key="gone.slot", state="live")
    assert owner.get(version_page("change", gone)).status_code == 200


@dataclass(frozen=True)
class Params:
    """`epochs`: how often. `name`: of it."""

    factors: Annotated[int, Meta(ge=2, description="Length of a vector.")] = 64
    rate: Annotated[float, Meta(gt=0)] = 0.1
    method: Annotated[Literal["auto", "als"], Meta(description="How.")] = "auto"
    deep: bool = False
    layers: tuple[int, ...] = (64, 32)
    limit: int | None = None
    epochs: int = 3
    name: str = "x"


GIVEN = {"factors": 8, "rate": 0.5, "method": "als", "layers": "8,4", "epochs": 1, "name": "y"}


def test_params_become_a_form_and_come_back_as_they_were():
    form = form_of(Params)({**GIVEN, "deep": "on", "limit": ""})
    assert form.is_valid(), form.errors
    assert form.params == Params(8, 0.5, "als", True, (8, 4), None, 1, "y")
    fields = form_of(Params)().fields
    assert fields["factors"].help_text == "Length of a vector." and fields["factors"].min_value == 2
    assert fields["epochs"].help_text == "how often." and fields["layers"].initial == "64,32"
    unbound = form_of(Params)()
    initial = {name: unbound.get_initial_for_field(each, name) for name, each in fields.items()}
    assert form_of(Params)({name: value for name, value in initial.items() if value not in (None, False)}).is_valid()


@pytest.mark.parametrize(
    "wrong", [{"factors": 1}, {"rate": 0}, {"method": "magic"}, {"layers": "8,x"}, {"epochs": "many"}]
)
def test_what_params_refuse_stands_at_its_field(wrong):
    form = form_of(Params)({**GIVEN, **wrong})
    assert set(form.errors) == set(wrong)
