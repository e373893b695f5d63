"""A made-up shop's numbers are said to be, on every kind of page and in what is taken along."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.console import rows

pytestmark = pytest.mark.django_db


def pages(shop):
    decision, run = rows.make_decision(shop), rows.make_run(shop)
    version = rows.make_version(shop, run=run, state="retired")
    return [
        "/console/", reverse("console:behaviour"), reverse("console:plugins"), reverse("admin:shop_order_changelist"),
        reverse("admin:decisions_decision_change", args=[decision.pk]),
        reverse("admin:learning_run_change", args=[run.pk]),
        reverse("admin:learning_version_change", args=[version.pk]), reverse("console:experiments"),
    ]  # fmt: skip


def test_every_page_and_file_of_a_made_up_shop_says_so(shop, sign_in, owner):
    there = pages(shop)
    for each in there:
        assert "Simulated shop" not in owner.get(each).content.decode(), each
    orders = reverse("admin:shop_order_changelist")
    assert "simulated" not in owner.get(orders, {"csv": "1"})["Content-Disposition"]
    shop.settings = {"sample": {"seed": 1}}
    shop.save()
    for each in there:
        assert "Simulated shop" in owner.get(each).content.decode(), each
    assert "Simulated shop · Read only" in sign_in("analyst").get(there[0]).content.decode()
    assert "simulated-order" in owner.get(orders, {"csv": "1"})["Content-Disposition"]
