"""What a live version says of every customer, as rows: for the hot path, audiences, the console and other plugins.

Strict about consent: whoever refused ads, personalisation or the training of models, or was not asked where the
shop asks first, has no row at all, and loses the one they had.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl

from commerce_ai.shop import bulk
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import CustomerScore
from plugins.advertising import queries
from plugins.advertising.models import UpliftScore

PURPOSES = (Purpose.ADS, Purpose.PERSONALISATION, Purpose.MODEL_TRAINING)
MOST_CAMPAIGNS = 20


def publish_uplift(learner: Any, scorer: Any, version: Any) -> None:
    """`UpliftScore` by customer, for each running campaign and (no campaign) for those to come."""
    at = datetime.now(UTC)
    people = queries.targets(version.shop_id, at)
    running = queries.running_campaigns(version.shop_id).head(MOST_CAMPAIGNS)
    campaigns = [(None, None, None), *running.select("id", "external_id", "channel").iter_rows()]

    def rows() -> Iterator[pl.DataFrame]:
        for number, name, channel in campaigns:
            asked = people.with_columns(
                pl.lit(name, dtype=pl.String).alias("campaign"), pl.lit(channel, dtype=pl.String).alias("channel")
            )
            said = learner.predict(scorer, customers=asked)
            yield said.with_columns(
                pl.lit(number, dtype=pl.Int64).alias("campaign_id"), pl.lit(version.pk).alias("version_id"),
                pl.lit(at).alias("as_of"),
            )  # fmt: skip

    UpliftScore.replace_all(version.shop_id, rows())


def publish_values(scorer: Any, version: Any) -> None:
    """`CustomerScore`: value, orders, churn and segment over the horizon. Price sensitivity is another's to say."""
    spared = queries.allowed_customers(version.shop_id, PURPOSES)
    horizon = scorer.params.horizon_days
    rows = scorer.expect(horizon).filter(pl.col("customer_id").is_in(spared))
    rows = rows.select(
        "customer_id", "value", "segment",
        pl.col("expected_orders").alias("orders"), pl.col("no_more").alias("churn"),
        pl.lit(version.shop_id).alias("shop_id"), pl.lit(version.pk).alias("version_id"),
        pl.lit(datetime.now(UTC)).alias("as_of"), pl.lit(horizon).alias("horizon_days"),
    )  # fmt: skip
    bulk.upsert(CustomerScore, rows.columns, rows, key=("customer_id",))
    CustomerScore.objects.of(version.shop_id).exclude(customer_id__in=rows["customer_id"].to_list()).delete()
