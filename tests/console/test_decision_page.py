"""A decision's page says why it was made and what came of it; the rules of attribution are a form."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.urls import reverse

from commerce_ai.decisions.rules import Rules, rules_of
from tests.console.rows import make_version
from tests.decisions.outcome_facts import Facts


def address(decision: object) -> str:
    return reverse("admin:decisions_decision_change", args=[decision])


@pytest.fixture
def facts(shop):
    return Facts(shop)


def test_the_page_tells_reasons_version_items_and_what_came_of_it(owner, shop, facts):
    version = make_version(shop, state="live")
    chosen = facts.decision("LAMP", version_id=version.pk, reasons=["bought together"], arm="sequence", experiment_id=3)
    assert "Nothing yet" in owner.get(address(chosen)).content.decode()
    facts.write(facts.touch("Product Clicked", chosen, product="LAMP"))
    order = facts.order("1001", ("LAMP", 2, "10"))
    assert "look again in a minute" in owner.get(address(chosen)).content.decode()
    facts.count()
    page = owner.get(address(chosen)).content.decode()
    for said in ("bought together", "sequence", "LAMP", "€20.00", "1001", "Product Clicked"):
        assert said in page, said
    assert reverse("admin:learning_version_change", args=[version.pk]) in page
    assert reverse("admin:shop_order_change", args=[order.pk]) in page


def test_the_list_filters_by_what_came_of_it(owner, shop, facts):
    bought, seen = facts.decision("A"), facts.decision("A")
    facts.write(
        facts.touch("Product Clicked", bought, product="A"),
        facts.touch("Product List Viewed", seen, "other"),
    )
    facts.order("1", ("A", 1, "10"))
    facts.count()
    listed = reverse("admin:decisions_decision_changelist")
    for came, expected in (("purchase", {bought}), ("impression", {seen}), ("nonsense", {bought, seen})):
        page = owner.get(listed, {"came": came}).content.decode()
        assert {each for each in (bought, seen) if quote(str(each)) in page.replace("_2D", "-")} == expected, came


def test_an_analyst_sees_figures_and_no_person(sign_in, shop, facts):
    chosen = facts.decision("A", anonymous_id="visitor-77")
    facts.write(facts.touch("Product Clicked", chosen, product="A"))
    facts.order("secret-1", ("A", 1, "10"))
    facts.count()
    page = sign_in("analyst").get(address(chosen)).content.decode()
    assert "€10.00" in page
    assert "visitor-77" not in page and "secret-1" not in page and "Product Clicked" not in page


def test_rules_are_a_form_for_operators(owner, sign_in, shop):
    there = reverse("console:attribution")
    form = owner.get(there).context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() is not False}
    assert owner.post(there, {**sent, "click_days": 14, "staff_domains": "shop.example"}).status_code == 302
    shop.refresh_from_db()
    assert rules_of(shop) == Rules(click_days=14, staff_domains=("shop.example",))
    wrong = owner.post(there, {**sent, "click_days": 9999})
    assert list(wrong.context["form"].errors) == ["click_days"]
    analyst = sign_in("analyst")
    assert analyst.get(there).status_code == 200
    assert analyst.post(there, sent).status_code == 403
