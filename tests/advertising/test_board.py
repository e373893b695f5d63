"""The board in the console: what it shows, whom it lets act, and what its actions do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from commerce_ai import registry
from commerce_ai.api.callers import Subject
from commerce_ai.learning.models import Run
from commerce_ai.shop.models import Shop, ShopMember
from plugins.advertising.answers import Request
from plugins.advertising.models import Audience, AudienceExport
from plugins.advertising.service import decide

BOARD = "/console/advertising/board/"


@pytest.fixture
def person(shop: Shop, client: Client, django_user_model: Any) -> Any:
    def enter(role: str) -> Client:
        user = django_user_model.objects.create_user(role, password="x", is_staff=True)
        ShopMember.objects.create(shop=shop, user=user, role=role)
        client.force_login(user)
        return client

    return enter


def test_an_empty_shop_is_told_the_next_steps(person):
    text = person("owner").get(BOARD).content.decode()
    for words in (
        "No uplift model is live yet",
        "Add a campaign",
        "Load orders of at least four weeks",
        "Build one below",
    ):
        assert words in text


def test_figures_campaigns_segments_and_audiences_are_shown(person, shop, people, campaign, score, go_live):
    go_live(figure=0.0625)
    score(people[:30], [0.1] * 30, segment="loyal")
    score(people[30:36], [0.1] * 6, segment="new")
    from plugins.advertising.models import UpliftScore

    UpliftScore.objects.of(shop).update(campaign=campaign)
    audience = Audience.objects.create(shop=shop, name="Everybody")
    audience.fill([each.pk for each in people], 2.5, None)
    Audience.objects.create(shop=shop, name="Tiny").fill([people[0].pk], 0.25, None)
    decide(shop.pk, Subject(anonymous_id="v"), Request())
    page = person("analyst").get(BOARD)
    text = page.content.decode()
    [line] = page.context["campaigns"]
    assert line.shown + line.held_out == 1 and line.persuadable == 36 and line.extra_orders == pytest.approx(3.6)
    assert [each["segment"] for each in page.context["segments"]] == ["loyal"], "six new ones are not shown"
    sizes = {each.audience.name: (each.size, each.extra_orders) for each in page.context["audiences"]}
    assert sizes == {"Everybody": (40, 2.5), "Tiny": (None, None)} and "fewer than 10" in text
    assert page.context["chart"].series[0].values[0] == pytest.approx(0.18)
    figures = {str(card.title): card.value for card in page.context["cards"]}
    assert figures["Ad decisions, last 24 hours"] == "1" and figures["Live uplift model"] == "0.062"
    assert "Build the audience" not in text and "Retrain now" not in text


def test_an_operator_builds_and_exports(person, shop, people, score):
    score(people, [0.01 * n for n in range(40)])
    client = person("operator")
    page = client.post(
        BOARD, {"action": "build", "name": "Half", "segments": ["loyal"], "top_percent": "50"}, follow=True
    )
    assert "The audience was built: 20 customers." in page.content.decode()
    audience = Audience.objects.of(shop).get()
    file = client.post(BOARD, {"action": "export", "audience": audience.pk, "platform": "google"})
    assert file["Content-Type"].startswith("text/csv") and file.content.startswith(b"Email,Phone\n")
    assert AudienceExport.objects.of(shop).get().by.username == "operator"
    assert client.get(reverse("admin:advertising_audienceexport_changelist")).status_code == 200
    assert client.get(reverse("admin:advertising_assignment_changelist")).status_code == 200


def test_what_can_not_be_done_is_said(person, shop, people):
    client = person("operator")
    page = client.post(BOARD, {"action": "build", "name": "Best", "top_percent": "10"}, follow=True)
    assert "train advertising.uplift first" in page.content.decode()
    page = client.post(BOARD, {"action": "build", "name": "", "top_percent": "400"})
    assert page.status_code == 200 and set(page.context["form"].errors) == {"name", "top_percent"}
    few = Audience.objects.create(shop=shop, name="Few")
    page = client.post(BOARD, {"action": "export", "audience": few.pk, "platform": "google"}, follow=True)
    assert "not exported" in page.content.decode()


def test_a_rule_that_cannot_be_built_leaves_the_audience_as_it_was(person, shop, people):
    client = person("operator")
    client.post(BOARD, {"action": "build", "name": "Everybody"})
    before = Audience.objects.of(shop).get()
    assert before.size and before.top_share is None
    for name in ("Everybody", "The best"):
        client.post(BOARD, {"action": "build", "name": name, "top_percent": "20"})
    after = Audience.objects.of(shop).get()
    assert (after.size, after.top_share) == (before.size, None)


def test_what_names_no_audience_is_no_crash(person):
    client = person("operator")
    for number in ("", "x", "²", "9" * 30):
        assert client.post(BOARD, {"action": "export", "audience": number, "platform": "google"}).status_code == 302


def test_an_analyst_may_look_but_not_act(person, shop):
    client = person("analyst")
    for action in ("build", "export", "retrain"):
        assert client.post(BOARD, {"action": action}).status_code == 403
    assert not Run.objects.of(shop).exists()


def test_retrain_queues_both_learners(person, shop):
    person("operator").post(BOARD, {"action": "retrain"})
    assert set(Run.objects.of(shop).values_list("learner", flat=True)) == {"advertising.uplift", "advertising.value"}


def test_findings_name_the_switch_and_a_shop_without_campaigns(shop, configure):
    configure(hold=True)
    found = [str(each.message) for each in registry.plugin("advertising").health(shop)]
    assert any("emergency switch" in each for each in found) and any("No campaign is active" in each for each in found)
