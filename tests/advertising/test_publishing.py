"""What a live version writes: rows of those who allow it, for everybody else's use, and none of the others."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl

from commerce_ai.learning.learner import Silent
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Campaign, CustomerScore
from plugins.advertising import publishing, queries
from plugins.advertising.learner import CONTACTED, UpliftLearner, UpliftParams
from plugins.advertising.models import UpliftScore
from plugins.advertising.valuing import ValueLearner, ValueParams
from tests.advertising.frames import bought


def refuse(shop, customer, purpose) -> None:
    consent.record(shop, customer=customer, purpose=purpose, granted=False, source="test")


def learned(shop, people):
    """An uplift scorer of today's features: the campaign works in Austria."""
    now = queries.targets(shop.pk, datetime.now(UTC)).select(*queries.FEATURES)
    rows = pl.concat([now] * 20).with_row_index("customer_id").with_columns(
        pl.lit("spring").alias("campaign"), pl.lit("email").alias("channel"),
        (pl.col("customer_id") % 3 == 0).cast(pl.Int64).alias("treatment"),
        (pl.col("customer_id").cast(pl.Int64)),
    )  # fmt: skip
    worked = (pl.col("country") == "AT") & (pl.col("treatment") == 1)
    rows = rows.with_columns(outcome=(worked | (pl.col("customer_id") % 7 == 0)).cast(pl.Int64))
    return (
        UpliftLearner().fit({"customers": CONTACTED.check(rows, "rows")}, UpliftParams(method="t"), Silent()).scorer()
    )


def test_uplift_by_customer_and_campaign_and_for_campaigns_to_come(shop, people, campaign):
    Campaign.objects.create(shop=shop, external_id="old", name="Old", status="ended")
    scorer = learned(shop, people)
    refuse(shop, people[0], Purpose.ADS)
    version = SimpleNamespace(pk=5, shop_id=shop.pk)
    for _ in range(2):
        publishing.publish_uplift(UpliftLearner(), scorer, version)
    rows = UpliftScore.objects.of(shop)
    assert rows.count() == 39 * 2 and set(rows.values_list("campaign_id", flat=True)) == {None, campaign.pk}
    assert set(rows.values_list("version_id", flat=True)) == {5} and not rows.filter(customer=people[0]).exists()
    austria = [each.uplift for each in rows.filter(customer__country="AT", campaign=None)]
    germany = [each.uplift for each in rows.filter(customer__country="DE", campaign=None)]
    assert min(austria) > max(germany) + 0.3


def test_values_of_those_who_allow_it_and_price_sensitivity_untouched(shop, people):
    orders = bought(60)
    names = {n + 1: each.pk for n, each in enumerate(people)}
    orders = orders.filter(pl.col("customer_id") <= 40).with_columns(pl.col("customer_id").replace_strict(names))
    scorer = ValueLearner().fit({"orders": orders}, ValueParams(horizon_days=180), Silent())
    at = datetime.now(UTC)
    for customer in people[:3]:
        CustomerScore.objects.create(shop=shop, customer=customer, price_sensitivity=0.4, as_of=at)
    refuse(shop, people[0], Purpose.PERSONALISATION)
    refuse(shop, people[1], Purpose.MODEL_TRAINING)
    learner = ValueLearner()
    from plugins.advertising.valuing import ValueScorer

    learner.publish(ValueScorer(scorer), SimpleNamespace(pk=6, shop_id=shop.pk))
    rows = {each.customer_id: each for each in CustomerScore.objects.of(shop)}
    assert len(rows) == 38 and people[0].pk not in rows and people[1].pk not in rows
    row = rows[people[2].pk]
    assert row.price_sensitivity == 0.4 and row.version_id == 6 and row.horizon_days == 180
    assert row.value >= 0 and row.orders >= 0 and 0 <= row.churn <= 1 and row.segment
