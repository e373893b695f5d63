"""What others read: forecasts, outlooks and proposals, each replaced as a whole in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
from django.db import connection, transaction
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.shop.bulk import copy_rows
from commerce_ai.shop.models import DemandForecast, Shop, StockOutlook
from plugins.inventory import conformal, queries, replenishment
from plugins.inventory.features import Floats
from plugins.inventory.replenishment import Shelves, Verdicts
from plugins.inventory.scorer import DemandScorer

PLUGIN = "inventory"
AT_ONCE = 5_000  # products whose days are laid out at a time
COLUMNS = tuple(DemandForecast.QUANTILES)
_AT = [int(np.argmin(np.abs(conformal.LEVELS - level))) for level in DemandForecast.QUANTILES.values()]
WEEK = 7


def publish(shop: Shop, scorer: DemandScorer, version_id: int) -> None:
    """Write `DemandForecast` of every product over the horizon, then what follows from it (`refresh`)."""
    with transaction.atomic():
        _one_at_a_time(shop)
        DemandForecast.objects.of(shop).delete()
        for rows in _forecasts(shop, scorer, version_id):
            copy_rows(DemandForecast, rows.columns, rows)
        _follow(shop, scorer, version_id)


def refresh(shop: Shop, scorer: DemandScorer, version_id: int) -> int:
    """Write `StockOutlook` and the open proposals from the stock as it is now; how many proposals are open."""
    with transaction.atomic():
        _one_at_a_time(shop)
        return _follow(shop, scorer, version_id)


def judge(shop: Shop, scorer: DemandScorer) -> tuple[Shelves, Verdicts, date]:
    """What the policy says of every tracked product that was learned, on the shop's day."""
    settings = registry.settings_for(shop.pk, PLUGIN)
    today = queries.today(shop)
    shelves = queries.shelves(shop)
    place = scorer.places(shelves["product_id"])
    shelves, place = shelves.filter(pl.Series(place >= 0)), place[place >= 0]
    demand = replenishment.demand_from(_turned(scorer, today), place)
    filled = replenishment.shelves(shelves, settings, today)
    return filled, replenishment.judge(filled, demand, settings), today


def _follow(shop: Shop, scorer: DemandScorer, version_id: int) -> int:
    from plugins.inventory import proposing

    shelves, verdicts, today = judge(shop, scorer)
    StockOutlook.objects.of(shop).delete()
    rows = _outlooks(shop, shelves, verdicts, version_id, today)
    copy_rows(StockOutlook, rows.columns, rows)
    return proposing.propose(shop, shelves, verdicts, version_id, today)


def _forecasts(shop: Shop, scorer: DemandScorer, version_id: int) -> Iterator[pl.DataFrame]:
    """Rows of 5,000 products at a time; products that are gone are left out."""
    ids = pl.Series("product_id", np.asarray(scorer.product_ids))
    there = queries.products(shop).join(pl.DataFrame({"product_id": ids}), on="product_id", how="semi")
    planned = queries.plans(shop, scorer.first_day, len(scorer.days)).select(
        "product_id", pl.col("date").alias("day"), "price"
    )
    as_of, horizon = timezone.now(), len(scorer.days)
    for start in range(0, there.height, AT_ONCE):
        part = there[start : start + AT_ONCE]
        place = scorer.places(part["product_id"])
        levels = scorer.quantiles(place)[:, :, _AT].reshape(len(place) * horizon, -1)
        days = pl.Series(scorer.days, dtype=pl.Date)
        frame = pl.DataFrame(
            {
                "product_id": np.repeat(part["product_id"].to_numpy(), horizon),
                "day": days.gather(np.tile(np.arange(horizon), len(place))),
                "mean": np.asarray(scorer.means[place], float).ravel(),
                **{name: levels[:, number] for number, name in enumerate(COLUMNS)},
                "usual": np.repeat(part["price"].to_numpy(), horizon),
            }
        ).join(planned, on=["product_id", "day"], how="left", maintain_order="left")
        yield frame.select(
            pl.lit(shop.pk).alias("shop_id"),
            "product_id",
            "day",
            "mean",
            *COLUMNS,
            pl.coalesce(pl.col("price"), pl.col("usual").fill_nan(None)).cast(pl.Decimal(14, 4)).alias("planned_price"),
            pl.lit(version_id).alias("version_id"),
            pl.lit(as_of).alias("as_of"),
        )


def _outlooks(shop: Shop, shelves: Shelves, verdicts: Verdicts, version_id: int, today: date) -> pl.DataFrame:
    cover = pl.Series(verdicts.cover).fill_nan(None)
    until = [None if days is None or days > 3649 else today + timedelta(days=int(days)) for days in cover]
    return pl.DataFrame({"product_id": shelves.product_id, "days_of_cover": cover}).with_columns(
        pl.lit(shop.pk).alias("shop_id"),
        pl.Series("stock_out_on", until, dtype=pl.Date),
        pl.Series("stock_out_probability", np.clip(verdicts.risk, 0.0, 1.0)),
        pl.lit(version_id).alias("version_id"),
        pl.lit(timezone.now()).alias("as_of"),
    )


def _turned(scorer: DemandScorer, today: date) -> DemandScorer:
    """The forecast as from `today` on, as long as before: what is missing at its end is as its last week."""
    gone = min(max((today - scorer.first_day).days, 0), scorer.means.shape[1])
    if not gone:
        return scorer
    means: Floats = np.asarray(scorer.means, float)
    week = means[:, -min(WEEK, means.shape[1]) :]
    after = np.tile(week, (1, gone // week.shape[1] + 1))[:, :gone]
    return replace(scorer, arrays={**scorer.arrays, "means": np.concatenate([means[:, gone:], after], axis=1)})


def _one_at_a_time(shop: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"inventory.publish:{shop.pk}"])
