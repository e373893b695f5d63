"""The first page: figures from aggregates, never from rows; a range of days; what went wrong; how models are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.console import figures
from commerce_ai.decisions import losses
from commerce_ai.decisions.record import new_decision_id
from commerce_ai.privacy import requests
from commerce_ai.privacy.models import PrivacyRequest
from commerce_ai.shop.models import DailyMetric
from commerce_ai.shop.revision import refresher
from tests.console.rows import NOW, make_quarantined, make_run, make_version
from tests.factories import EventFactory, OrderFactory, ShopMemberFactory

INDEX = "/console/"


def today_in(shop):
    return timezone.now().astimezone(shop.tz).date()


def record(shop, day, **values):
    DailyMetric.objects.bulk_create(
        DailyMetric(shop=shop, day=day, name=name, value=value) for name, value in values.items()
    )


@pytest.fixture
def traded(shop, other):
    today = today_in(shop)
    for back in range(60):
        day = today - timedelta(days=back)
        scale = 1 if back < 30 else 0.5
        record(shop, day, events=1000 * scale, visitors=100 * scale, orders=4 * scale, revenue=200 * scale)
    record(other, today, events=1e9, visitors=1e9, orders=1e9, revenue=1e9)
    return today


def tiles(answer):
    return {str(tile.title): tile for tile in answer.context["tiles"]}


def test_figures_of_the_shop_and_how_they_moved(owner, traded):
    answer = owner.get(INDEX)
    found = tiles(answer)
    assert found["Revenue"].value == "€6,000" and found["Orders"].value == "120" and found["Events"].value == "30,000"
    assert found["Conversion"].value == "4.00 %" and found["Average order"].value == "€50.00"
    assert found["Revenue"].change == pytest.approx(1.0) and found["Conversion"].change == pytest.approx(0.0)
    assert "+100.0 %" in answer.content.decode()


def test_every_figure_links_to_a_list_of_the_same_days(owner, shop, traded):
    OrderFactory(shop=shop)
    for tile in owner.get(INDEX, {"during": "7"}).context["tiles"]:
        listed = owner.get(tile.url)
        assert listed.status_code == 200
        assert f"during={traded - timedelta(days=6)}..{traded}" in tile.url


@pytest.mark.parametrize("span", ["7", "90", "365"])
def test_a_range_is_kept_for_the_session(owner, traded, span):
    owner.get(INDEX, {"during": span})
    answer = owner.get(INDEX)
    assert (answer.context["last"] - answer.context["first"]).days == int(span) - 1


def test_range_and_shop_stay_from_page_to_page(owner, shop, other, traded):
    ShopMemberFactory(shop=other, user=owner.user, role="analyst")
    owner.post(reverse("console:shop-switch"), {"shop": other.pk})
    first = traded - timedelta(days=9)
    owner.get(INDEX, {"from": str(first), "to": str(traded)})
    for name in ("admin:shop_order_changelist", "console:behaviour", "console:experiments", "console:alerts"):
        assert owner.get(reverse(name)).context["scope"].shop == other, name
    answer = owner.get(INDEX)
    assert answer.context["shop"] == other
    assert (answer.context["first"], answer.context["last"]) == (first, traded)


def test_what_plugins_had_a_part_in_is_grey_and_said_not_to_be_caused_by_them(owner, shop, traded):
    DailyMetric.objects.create(shop=shop, day=traded, name="influenced_revenue", dimension="fraud", value=70)
    DailyMetric.objects.create(shop=shop, day=traded, name="influenced_orders", dimension="fraud", value=2)
    answer = owner.get(INDEX)
    (line,) = answer.context["influenced"]
    assert line["revenue"] == "€70" and line["orders"] == "2"
    assert owner.get(line["url"]).context["cl"].result_count == 1
    (panel,) = [each for each in answer.content.decode().split("<section") if "influenced-title" in each]
    assert "c-grey" in panel and "Attributed, not causal" in panel


@pytest.mark.parametrize(
    "wrong", ["x", "0", "2026-05-01..2026-04-01", "0001-01-01..2026-01-01", "99999999999", "..", "-3"]
)
def test_a_senseless_range_is_not_taken(owner, traded, wrong):
    answer = owner.get(INDEX, {"during": wrong})
    assert (answer.context["last"] - answer.context["first"]).days == 29


def test_own_days(owner, traded):
    first, last = traded - timedelta(days=3), traded - timedelta(days=2)
    answer = owner.get(INDEX, {"from": str(first), "to": str(last)})
    assert tiles(answer)["Orders"].value == "8"


def test_a_long_range_is_drawn_by_week_and_sums_to_the_same(shop, traded):
    found = figures.read(shop, traded - timedelta(days=364), traded)
    assert len(found.steps) == 53 and figures.is_weekly(found.steps)
    assert sum(value or 0 for value in found.by_step["orders"]) == found.total["orders"] == 180


def test_a_shop_of_long_ago_shows_its_last_days(owner, shop):
    last = today_in(shop) - timedelta(days=5000)
    record(shop, last, orders=3, revenue=30)
    answer = owner.get(INDEX)
    assert answer.context["last"] == last and tiles(answer)["Orders"].value == "3"


def test_queries_are_few_and_do_not_grow_with_the_shop(owner, shop, traded):
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()
    make_version(shop, run=make_run(shop, state="succeeded"), state="live")

    def queries():
        owner.get(INDEX)  # warm: what is read once
        with CaptureQueriesContext(
            connection,
        ) as captured:
            owner.get(INDEX)
        return captured.captured_queries

    few = queries()
    for _ in range(40):
        EventFactory(shop=shop)
        make_run(shop, state="failed")
        make_quarantined(shop)
    many = queries()
    assert len(many) == len(few) <= 35
    read = [each["sql"] for each in many if "shop_event" in each["sql"] or "shop_order" in each["sql"]]
    assert not read


def test_decisions_that_were_lost_are_counted(owner, shop, traded):
    for _ in range(3):
        losses.count(shop.pk, "recommendation", new_decision_id(), RuntimeError("full"))
    row = next(each for each in owner.get(INDEX).context["needs"].rows if "not kept" in each.title)
    assert row.count == 3 and row.need.detail == "recommendation 3" and row.need.tone == "bad"


def test_quarantine_waits(owner, shop, other, traded):
    make_quarantined(other)
    assert not owner.get(INDEX).context["needs"].rows
    make_quarantined(shop)
    (row,) = owner.get(INDEX).context["needs"].rows
    assert row.count == 1 and owner.get(row.need.url).context["cl"].result_count == 1


def test_late_and_failed_privacy_requests_are_shown(owner, shop, other, traded):
    for each in (shop, other):
        for name, values in (("late", {"asked_at": NOW - timedelta(hours=2)}), ("given up", {"state": "failed"})):
            asked = requests.ask(each, "erasure", name)
            PrivacyRequest.objects.of(each).filter(pk=asked.pk).update(**values)
    rows = {row.need.kind: row for row in owner.get(INDEX).context["needs"].rows}
    assert rows.keys() == {"privacy-late", "privacy-failed"}
    assert {(row.count, row.need.tone) for row in rows.values()} == {(1, "bad")}
    assert owner.get(rows["privacy-failed"].need.url).context["cl"].result_count == 1


def test_model_health(owner, shop, traded):
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()
    answer = owner.get(INDEX)
    assert "Nothing is live in recommendation.candidates" in answer.content.decode()
    make_version(shop, state="live", trained_until=NOW - timedelta(days=40))
    make_run(shop, learner="recommendation.collaborative", state="failed", reason="ValueError: no rows")
    lines = {line.learner: line for line in owner.get(INDEX).context["models"]}
    assert lines["recommendation.popularity"].level == "warn" and "40 days" in lines["recommendation.popularity"].said
    assert lines["recommendation.collaborative"].level == "bad"
    assert "no rows" in lines["recommendation.collaborative"].said


def test_first_steps_are_ticked(owner, shop):
    page = owner.get(INDEX)
    assert f"python manage.py plugins --shop {shop.slug} --on" in page.content.decode()
    done = [step["done"] for step in page.context["steps"]]
    assert done == [False, False, False]
    record(shop, today_in(shop), orders=1)
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()
    assert [step["done"] for step in owner.get(INDEX).context["steps"]] == [True, True, False]
    make_version(shop, state="live")
    assert "steps" not in owner.get(INDEX).context


def test_sidebar_has_groups_plugins_and_settings(owner, shop):
    def titles():
        return [str(group.get("title", "")) for group in owner.get(INDEX).context["sidebar_navigation"]]

    assert {"Learning", "People", "Goods", "Happenings", "Words", "Published", "Intake", "Settings"} <= set(titles())
    assert "Recommendation" not in titles()
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()
    assert "Recommendation" in titles()


def test_an_analyst_is_told_that_they_only_look(sign_in, shop):
    assert "Read only" in sign_in("analyst").get(reverse("admin:index")).content.decode()
