"""Experiments in the console: planned, started, read, stopped, shipped; by operators only."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.decisions.experiments import lifecycle, outlook
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.decisions.experiments.shadow_models import Shadow
from commerce_ai.decisions.models import Decision, Outcome
from commerce_ai.ids import uuid7
from commerce_ai.learning.models import Version
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher
from tests.factories import OrderFactory

PLUGIN = "recommendation"
ARMS = [{"name": "A", "config": {"source": "bestsellers"}}, {"name": "B", "config": {"source": "auto"}}]
LIST, ADD = "/console/experiments/", "/console/experiments/add/"


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


def filled(client: Client, **fields: str) -> dict[str, str]:
    """The form as it comes, with two arms of recommendation."""
    form = client.get(ADD, {"plugin": PLUGIN}).context["form"]
    given = {name: form[name].value() for name in form.fields if name != "arms"}
    return {name: value for name, value in given.items() if value is not None} | {
        "name": "x", "arms-0-name": "A", "arms-0-config": "source = bestsellers\nitems = 8", "arms-1-name": "B",
        "arms-1-weight": "2,5", "arms-1-config": "exclude_purchased = no", **fields,
    }  # fmt: skip


def page_of(experiment: Experiment) -> str:
    return reverse("console:experiment", args=[experiment.pk])


def test_an_empty_page_says_the_next_step(owner, shop):
    shown = owner.get(LIST).content.decode()
    assert "No experiments yet" in shown and "Hold a few visitors out" in shown
    assert reverse("console:experiment-add") in shown and LIST in owner.get("/console/").content.decode()


def test_planned_started_and_stopped(owner, shop):
    sent = filled(owner, name="Sources", placement="home", countries="de, at", who="known", rate="3")
    assert owner.post(ADD, sent).status_code == 302
    made = Experiment.objects.of(shop).get()
    assert made.state == "draft" and 100_000 < made.planned < 400_000
    assert made.audience == {"known": True, "countries": ["DE", "AT"]}
    assert [(each.name, each.weight, each.config) for each in made.parsed_arms] == [
        ("A", 1.0, {"source": "bestsellers", "items": 8}), ("B", 2.5, {"exclude_purchased": False}),
    ]  # fmt: skip
    change = reverse("console:experiment-change", args=[made.pk])
    again = owner.get(change).content.decode()
    assert (
        "source = bestsellers" in again
        and "items = 8" in again
        and "exclude_purchased = no" in again
        and "DE, AT" in again
    )
    for wrong, words in (
        ({"arms-1-name": "", "arms-1-config": ""}, "two to 8 arms"),
        ({"arms-0-config": "sauce = hot"}, "the plugin has no setting sauce; there are: source"),
        ({"arms-0-config": "source"}, "write each setting as name = value"),
        ({"arms-0-weight": "many"}, "The weight of arm A must be above 0."),
        ({"countries": "Germany"}, "GERMANY is no country"),
    ):
        assert words in unescape(owner.post(change, sent | wrong).content.decode())
    assert "can&#x27;t be changed" in owner.get(page_of(made)).content.decode()
    shown = owner.post(page_of(made), {"action": "start"}, follow=True).content.decode()
    assert "Nobody has been drawn yet." in shown
    assert owner.get(reverse("console:experiment-change", args=[made.pk])).status_code == 404
    owner.post(page_of(made), {"action": "refresh"})
    owner.post(page_of(made), {"action": "stop"})
    made.refresh_from_db()
    assert made.state == "stopped" and made.looked_at
    log = LogEntry.objects.filter(object_id=str(made.pk)).order_by("pk").values_list("change_message", flat=True)
    assert list(log) == ["Planned.", "Started.", "Stopped."]


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
    assert "Undo shipping" in owner.get(page_of(experiment)).content.decode()
    owner.post(page_of(experiment), {"action": "unship"})
    refresher.poll()
    assert registry.settings_for(shop.pk, PLUGIN).source == "auto"
    log = LogEntry.objects.order_by("pk").values_list("content_type__model", "change_message")
    assert list(log) == [
        ("experiment", "Shipped the arm A."), ("pluginstate", "Home page: Shipped the arm A."),
        ("experiment", "Took the shipping back."), ("pluginstate", "Home page: Took the shipping back."),
    ]  # fmt: skip


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
    assert "€1,234.00. Attributed, not causal" in shown


def test_each_plugin_begins_with_itself_against_none(owner, shop):
    for slug, switch, unit in (
        ("recommendation", "bestsellers_only", "visitor"), ("advertising", "hold", "visitor"),
        ("support", "people_only", "visitor"), ("fraud", "rules_only", "customer"),
    ):  # fmt: skip
        shown = owner.get(ADD, {"plugin": slug})
        assert f"{switch} = yes" in shown.content.decode() and f"<code>{switch}</code>" in shown.content.decode()
        form = shown.context["form"]
        sent = {name: form[name].value() for name in form.fields if name != "arms"} | {"name": slug}
        arms = {"arms-0-name": "none", "arms-0-config": f"{switch} = yes", "arms-1-name": "AI"}
        sent = {name: value for name, value in sent.items() if value is not None} | arms
        assert owner.post(ADD, sent).status_code == 302
        made = Experiment.objects.of(shop).get(name=slug)
        assert (made.unit, made.planned) == (unit, 20_000)
        assert "is switched off in this shop" in owner.get(page_of(made)).content.decode()
    assert "pricing" not in [slug for slug, _name in form.fields["plugin"].choices]


def test_a_draft_says_how_long_it_takes_by_what_was_lately(owner, shop):
    outlook.forget()
    lately = timezone.now() - timedelta(days=10)
    for n in range(200):
        Decision.objects.create(
            id=uuid7(lately), shop=shop, plugin=PLUGIN, kind="recommendations", placement="home", anonymous_id=f"v{n}"
        )
    for n in range(100):
        OrderFactory(shop=shop, anonymous_id=f"v{n}", placed_at=lately + timedelta(hours=1))
    draft = make(shop, state="draft", starts_at=None)
    shown = owner.get(page_of(draft)).content.decode()
    assert "20 visitors a day, conversion now 50.0 %. A lift of 10 % can be seen after about" in shown
    days = outlook.outlook(draft).days
    half = make(shop, state="draft", starts_at=None, traffic=0.5)
    assert abs(outlook.outlook(half).days - 2 * days) <= 2
    assert (
        "nobody was answered there" in owner.get(page_of(make(shop, state="draft", placement="cart"))).content.decode()
    )
    overview = owner.get(LIST).content.decode()
    assert "With 5 % held out: 20 visitors a day" in overview and "visitors: years" in overview
    assert owner.post(ADD, filled(owner, placement="home")).status_code == 302
    assert 5_000 < Experiment.objects.of(shop).latest("pk").planned < 20_000


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


def version_of(shop: Shop, slot: str = "recommendation.candidates", **fields) -> Version:
    learner = "recommendation.collaborative" if slot.startswith("rec") else "sentiment.aspects"
    fields = {"manifest": "f" * 64, "recipe": "r", **fields}
    return Version.objects.create(shop=shop, slot=slot, learner=learner, exclusive_key=f"{slot}/x", **fields)


def test_a_version_is_tried_on_a_share_from_its_page(owner, shop):
    tried = version_of(shop)
    shown = unescape(owner.get(reverse("admin:learning_version_change", args=[tried.pk])).content.decode())
    assert f"{ADD}?version={tried.pk}" in shown
    form = owner.get(ADD, {"version": tried.pk}).context["form"]
    assert [(each["weight"], each.get("version")) for each in form["arms"].value()] == [(95, None), (5, tried.pk)]
    given = filled(owner, **{
        "arms-0-config": "", "arms-1-config": "", "arms-1-name": f"v{tried.pk}", "arms-1-version": str(tried.pk),
    })  # fmt: skip
    owner.post(ADD, given)
    made = Experiment.objects.of(shop).get()
    assert [each.version for each in made.parsed_arms] == [None, tried.pk]
    assert f"version v{tried.pk}" in unescape(owner.get(page_of(made)).content.decode())
    assert owner.get(f"{page_of(made)}change/").content.decode().count(f'value="{tried.pk}" selected') == 1
    Version.objects.of(shop).update(load_error="it is broken")
    assert "can't be loaded (it is broken)" in unescape(owner.get(page_of(made)).content.decode())


@pytest.mark.parametrize(
    "fields", [{"state": "live"}, {"manifest": ""}, {"slot": "sentiment.aspects"}, {"slot": "advertising.uplift"}]
)
def test_only_what_could_answer_a_share_can_be_tried(owner, shop, fields):
    found = version_of(shop, **fields)
    shown = unescape(owner.get(reverse("admin:learning_version_change", args=[found.pk])).content.decode())
    assert f"?version={found.pk}" not in shown


def test_a_version_goes_into_the_shadow_and_out_of_it(owner, sign_in, shop):
    tried = version_of(shop)
    page = reverse("admin:learning_version_change", args=[tried.pk])
    address = reverse("admin:learning_version_shadow", args=[tried.pk])
    assert "Compare in the shadow" in owner.get(page).content.decode()
    owner.post(address, {"action": "begin"})
    assert Shadow.objects.of(shop).get().until is None
    shown = owner.get(page).content.decode()
    assert "End the comparison" in shown and "nothing yet" in shown
    owner.post(address, {"action": "end"})
    assert Shadow.objects.of(shop).get().until is not None
    chat = version_of(shop, slot="support.intent")
    owner.post(reverse("admin:learning_version_shadow", args=[chat.pk]), {"action": "begin"})
    assert Shadow.objects.of(shop).count() == 1
    shown = unescape(owner.get(reverse("admin:learning_version_change", args=[chat.pk])).content.decode())
    assert "no word of what a customer wrote" in shown and "Compare in the shadow" not in shown
    assert sign_in("analyst").post(address, {"action": "begin"}).status_code == 403


def test_a_version_of_another_shop_is_not_offered(owner, shop, other):
    theirs = version_of(other)
    assert [each.get("version") for each in owner.get(ADD, {"version": theirs.pk}).context["form"]["arms"].value()] == [
        None, None,
    ]  # fmt: skip
    answer = owner.post(ADD, filled(owner, **{"arms-1-version": str(theirs.pk)}))
    assert f"no version v{theirs.pk}" in unescape(answer.content.decode())
