"""The board in the console: what it shows, whom it lets act, and what verdicts do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.learning.models import Run
from commerce_ai.privacy.erase import erase
from commerce_ai.shop.models import Customer, Label
from commerce_ai.shop.revision import refresher
from plugins.fraud import admin, service
from plugins.fraud.answers import Request
from plugins.fraud.models import AlreadyDecided, Case, CaseStep
from tests.factories import PaymentFactory, ShopFactory

BOARD = "/console/fraud/board/"


def held_up(shop: Any, name: str, amount: float = 750.0, customer: str | None = None) -> Case:
    request = Request(payment_id=name, amount=amount, at=timezone.now(), customer_id=customer)
    return Case.objects.of(shop).get(pk=service.score(shop.pk, request).case_id)


def test_an_empty_shop_is_told_the_next_step(person):
    text = person("owner").get(BOARD).content.decode()
    assert "No payment was scored yet" in text and "No case is open" in text and "rules alone decide" in text


def test_answers_a_day_and_cases_by_expected_loss_are_shown(person, shop):
    for name, amount in (("small", 600.0), ("large", 900.0), ("middle", 800.0)):
        held_up(shop, name, amount)
    service.score(shop.pk, Request(payment_id="fine", amount=5.0, at=timezone.now()))
    page = person("analyst").get(BOARD)
    assert [line.case.payment_external_id for line in page.context["cases"]] == ["large", "middle", "small"]
    last = {str(each.label): each.values[-1] for each in page.context["chart"].series}
    assert last == {"allowed": 1, "for review": 3, "blocked": 0, "fraud found": 0}
    figures = {str(card.title): card for card in page.context["cards"]}
    assert figures["Payments scored, last 24 hours"].value == "4"
    assert figures["Open fraud cases"].value == "3" and "€" in str(figures["Open fraud cases"].detail)
    text = page.content.decode()
    assert "is above 500.00" in text and "Chosen: it was fraud" not in text  # an analyst only looks


def test_verdicts_on_many_become_labels_and_are_counted(person, shop):
    cases = [held_up(shop, name) for name in ("a", "b")]
    paid = PaymentFactory(shop=shop, external_id="a")
    client = person("operator")
    page = client.post(BOARD, {"action": "confirm", "case": [str(each.pk) for each in cases]}, follow=True)
    assert "2 verdicts are kept" in page.content.decode()
    assert list(Label.objects.of(shop).values_list("subject_id", "value")) == [(paid.pk, "fraud")]
    assert {str(each.label): each.values[-1] for each in page.context["chart"].series}["fraud found"] == 2
    again = client.post(BOARD, {"action": "clear", "case": str(cases[0].pk)}, follow=True)
    assert "1 case was decided before" in again.content.decode()
    with pytest.raises(AlreadyDecided):
        cases[0].decide(False, None)


def test_an_analyst_decides_nothing_and_nobody_of_another_shop(person, shop):
    case = held_up(shop, "a")
    client = person("analyst")
    assert client.post(BOARD, {"action": "confirm", "case": str(case.pk)}).status_code == 403
    theirs = Case.objects.create(shop=ShopFactory(), payment_external_id="t", action="block", amount=5, currency="EUR")
    client = person("operator")
    page = client.post(BOARD, {"action": "confirm", "case": [str(theirs.pk), "x", "9" * 30]}, follow=True)
    assert "Choose at least one case" in page.content.decode()
    assert set(Case.objects.filter(pk__in=[case.pk, theirs.pk]).values_list("state", flat=True)) == {"open"}


def test_the_list_of_cases_decides_in_bulk_and_shows_each_step(person, shop):
    case = held_up(shop, "a")
    client = person("operator")
    address = reverse("admin:fraud_case_changelist")
    sent = {"action": "confirm", "_selected_action": [str(case.pk)]}
    assert client.post(address, sent, follow=True).status_code == 200
    case.refresh_from_db()
    assert case.state == "confirmed"
    assert "decided" in client.get(reverse("admin:fraud_case_change", args=[case.pk])).content.decode()
    assert isinstance(site._registry[Case], admin.CaseAdmin)


def test_retrain_queues_once(person, shop):
    client = person("operator")
    for _ in range(2):
        assert client.post(BOARD, {"action": "retrain"}).status_code == 302
    assert Run.objects.of(shop).filter(learner="fraud.trees").count() == 1


def test_health_tells_of_late_requests_and_the_switch(person, shop):
    assert admin.findings(shop) == []
    case = held_up(shop, "a")
    case.ask_for_a_person(1)
    assert admin.findings(shop) == []
    Case.objects.of(shop).update(deadline=timezone.now() - timedelta(hours=1))
    assert [each.level for each in admin.findings(shop)] == ["bad"]
    settings = registry.settings_for(shop.pk, "fraud")
    registry.save_settings(shop, "fraud", {**vars_of(settings), "rules_only": True})
    refresher.poll()
    assert {each.level for each in admin.findings(shop)} == {"warn", "bad"}
    assert "c-tone-bad" in person("owner").get(BOARD).content.decode()


def test_an_erased_customers_cases_name_nobody(shop):
    for name in ("a", "b"):
        Customer.objects.get_or_create(shop=shop, external_id="c1")
        held_up(shop, name, customer="c1")
    erase(shop, "c1")
    cases = list(Case.objects.of(shop).values_list("payment_external_id", "customer", "reasons", "state"))
    assert cases == [("", None, [], "open")] * 2 and CaseStep.objects.of(shop).count() == 2


def vars_of(settings: Any) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(settings)
