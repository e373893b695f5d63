"""The jobs: texts judged once, days counted, surges told once, products' signals published; each can be repeated."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.alerts.models import Alert
from commerce_ai.shop.models import DailyMetric, Label, Mention, ProductSignal, Review
from commerce_ai.shop.revision import refresher
from plugins.sentiment import queries, service, tasks
from plugins.sentiment.models import Judgement, SentimentAlert

TODAY = date(2026, 3, 29)  # Berlin's clocks change on this day


def at(days_ago: int, hour: int = 12) -> datetime:
    noon = datetime(2026, 3, 29, hour, tzinfo=timezone.get_default_timezone())
    return noon - timedelta(days=days_ago)


@pytest.fixture
def judge(shop: Any) -> Any:
    def run(again: bool = False) -> list[date]:
        return tasks.judge_texts(shop, None, None, again=again, now=at(0))

    return run


def counts(shop: Any) -> dict[tuple[date, str], tuple[int, int]]:
    rows = queries.daily(shop.pk, date(2020, 1, 1), date(2030, 1, 1))
    return {(row["day"], row["dimension"]): (row["texts"], row["negative"]) for row in rows.iter_rows(named=True)}


def test_without_a_version_only_ratings_speak(shop, judge, write, product):
    write(shop, 6, 2, at(1), product)
    write(shop, 3, 0, at(1), rated=False)
    Mention.objects.create(shop=shop, external_id="m", platform="news", text="late parcel", at=at(1))
    assert judge() == [date(2026, 3, 28)]
    assert Judgement.objects.of(shop).count() == 6 and not Judgement.objects.of(shop).exclude(version_id=None).exists()
    kept = counts(shop)
    assert kept[date(2026, 3, 28), ""] == (6, 2) == kept[date(2026, 3, 28), f"product={product.pk}"]


def test_a_live_version_judges_all_and_again_when_another_goes_live(shop, write, go_live):
    write(shop, 5, 2)
    Mention.objects.create(shop=shop, external_id="m", platform="news", text="terrible quality, waste of money")
    version = go_live(shop)
    tasks.read_new(shop.pk)
    assert set(Judgement.objects.of(shop).values_list("version_id", flat=True)) == {version.pk}
    assert Judgement.objects.of(shop).get(kind="mention").label == "negative"
    assert Judgement.objects.of(shop).get(kind="mention").sentiment < 0
    second = go_live(shop)
    tasks.read_new(shop.pk)  # nothing new: nothing is judged
    assert not Judgement.objects.of(shop).filter(version_id=second.pk).exists()
    registry.learner("sentiment.classifier").publish(service.live(shop.pk, service.SLOT)[0].scorer, second)
    assert Judgement.objects.of(shop).filter(version_id=second.pk).count() == 6


def test_judging_twice_changes_nothing(shop, judge, write, product):
    write(shop, 6, 2, at(1), product)
    judge()
    before = counts(shop), list(Judgement.objects.of(shop).values_list("pk", "label"))
    assert judge() == []
    judge(again=True)
    assert (counts(shop), list(Judgement.objects.of(shop).values_list("pk", "label"))) == before
    assert DailyMetric.objects.of(shop).values("name", "day", "dimension").distinct().count() == len(
        DailyMetric.objects.of(shop)
    )


def test_a_day_is_the_shops_day(shop, judge):
    for number, hour in enumerate((21, 23)):  # 23:30 UTC is the next day in Berlin
        moment = at(2, hour).replace(minute=30)
        Review.objects.create(shop=shop, external_id=str(number), text="x", rating=1, at=moment)
    assert judge() == [date(2026, 3, 27), date(2026, 3, 28)]


def test_a_persons_label_counts_at_once_and_survives_another_judging(shop, judge, write):
    first, *_ = write(shop, 4, 2, at(1))
    judge()
    done = service.correct(shop.pk, "review", first.external_id, "positive", source="test")
    assert done.was == "negative"
    assert Label.objects.of(shop).get().subject_id == first.pk
    assert counts(shop)[date(2026, 3, 28), ""] == (4, 1)
    judge(again=True)
    judged = Judgement.objects.of(shop).get(text_id=first.pk)
    assert (judged.label, judged.corrected, judged.sentiment) == ("positive", True, 1.0)


def test_a_topic_that_is_renamed_leaves_no_old_counts(shop, judge):
    Review.objects.create(shop=shop, external_id="1", text="the courier was late", rating=1, at=at(1))
    judge()
    assert (date(2026, 3, 28), "topic=delivery") in counts(shop)
    registry.save_settings(
        shop, "sentiment", {"topics": "transport: courier", "false_alarms_a_year": 4.0, "unjudged": False}
    )
    refresher.poll()
    judge(again=True)
    assert {name for _, name in counts(shop)} == {"", "topic=transport"}


def month(shop: Any, write: Any, product: Any = None, surge: tuple[int, int] = (60, 24)) -> None:
    for days in range(2, 30):
        write(shop, 60, 9, at(days), product)
    write(shop, *surge, at(1), product)


def test_a_surge_is_told_once_and_where_it_was(shop, other_shop, judge, write, product):
    month(shop, write, product)
    judge()
    made = tasks.watch(shop, TODAY)
    whole = next(each for each in made if not each.topic and not each.product_id)
    assert (whole.day, whole.texts, whole.negative) == (date(2026, 3, 28), 60, 24)
    assert whole.expected == pytest.approx(0.15) and whole.chance < 0.001
    assert {each.product_id for each in made} == {None, product.pk}
    assert tasks.watch(shop, TODAY) == [] and tasks.watch(shop, TODAY + timedelta(days=1)) == []
    assert not SentimentAlert.objects.of(other_shop).exists()
    assert any("More negative texts" in str(each.message) for each in registry.plugin("sentiment").health(shop))


def test_a_quiet_day_is_no_alert_and_today_is_not_looked_at(shop, judge, write):
    month(shop, write, surge=(60, 10))
    write(shop, 60, 60, at(0, 9))
    judge()
    assert tasks.watch(shop, TODAY) == []
    assert tasks.watch(shop, TODAY + timedelta(days=1)) != []


def test_an_unseen_alert_stays_out_of_the_baseline(shop, judge, write):
    month(shop, write)
    judge()
    tasks.watch(shop, TODAY)
    Review.objects.of(shop).filter(at__gte=at(0, 0)).delete()
    write(shop, 60, 24, at(0, 9))
    judge()
    following = tasks.watch(shop, TODAY + timedelta(days=1))
    assert [each.expected for each in following if not each.topic] == [pytest.approx(0.15)]


def test_what_is_said_of_a_product_is_published(shop, judge, write, product):
    Review.objects.create(shop=shop, external_id="a", text="arrived late", rating=1, product=product)
    Review.objects.create(shop=shop, external_id="b", text="great quality", rating=5, product=product)
    tasks.read_new(shop.pk)
    signal = ProductSignal.objects.of(shop).get()
    assert (signal.product, signal.texts, signal.sentiment, signal.quality) == (product, 2, 0.0, None)
    assert signal.aspects == {
        "delivery": {"sentiment": -1.0, "texts": 1}, "quality": {"sentiment": 1.0, "texts": 1}
    }  # fmt: skip
    tasks.read_new(shop.pk)
    assert ProductSignal.objects.of(shop).count() == 1


def test_an_alert_stands_in_the_shops_inbox_until_it_was_seen_on_the_board(shop, judge, write, product):
    for back in range(3, 31):
        write(shop, 10, 1, at(back), product)
    write(shop, 20, 18, at(1), product)
    judge()
    made = tasks.watch(shop, TODAY)
    raised = Alert.objects.of(shop).filter(source="sentiment")
    assert {each.key for each in raised} == {service.key_of(each) for each in made}
    of_product = raised.get(product=product)
    assert of_product.title == "More negative texts than usual about Kettle" and "18 of 20 on" in of_product.detail
    for each in made:
        service.acknowledge(shop.pk, each.pk)
    assert set(raised.values_list("state", flat=True)) == {"resolved"}
