"""Shop tables as frames: who was drawn into a campaign and what came of it, and orders. The only reader of shop tables.

What is known of a customer is counted up to the instant at which the campaign decided on them and not a moment
further: what they did afterwards is what the campaign is to be judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions.models import Decision
from commerce_ai.ids import uuid7_floor
from commerce_ai.learning.learner import Frames, Window
from commerce_ai.learning.shortage import short_of
from commerce_ai.shop import consent, frames
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Campaign
from plugins.advertising import statements
from plugins.advertising.statements import KIND, PLUGIN

if TYPE_CHECKING:
    from commerce_ai.shop.models import Shop

LEAST_IN_ARM, LEAST_RESPONSES = 100, 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FEATURES: dict[str, pl.DataType] = {
    "days_since_order": pl.Float64(), "orders": pl.Float64(), "orders_90_days": pl.Float64(), "spent": pl.Float64(),
    "order_value": pl.Float64(), "discount_share": pl.Float64(), "days_known": pl.Float64(), "country": pl.String(),
    "categories": pl.Float64(), "favourite_category": pl.String(), "visits_30_days": pl.Float64(),
    "days_since_visit": pl.Float64(),
}  # fmt: skip
_DRAWN = {
    "customer_id": pl.Int64(), "campaign_id": pl.Int64(), "campaign": pl.String(), "channel": pl.String(),
    "treatment": pl.Int64(), "propensity": pl.Float64(), "timestamp": pl.Datetime("us", "UTC"), "outcome": pl.Int64(),
    **FEATURES,
}  # fmt: skip


def learning_frames(shop: Shop, window: Window) -> Frames:
    """`customers`: a row a customer and campaign with a control group, as of the decision. Raises `NotEnoughData`.

    From decisions of this plugin (by chance shown or held out, with the probability) and from assignments of
    campaigns that ran elsewhere. Of a customer and campaign only the first decision in each outcome window counts,
    and only those whose window is over. `outcome`: an order within it.
    """
    days = int(registry.settings_for(shop.pk, PLUGIN).outcome_days)
    start = window.start or EPOCH
    rows = frames.read(
        statements.LEARNING,
        {
            "shop": shop.pk, "start": start, "last": window.end - timedelta(days=days), "days": days,
            "end": window.end, "first_id": uuid7_floor(start),
        },
        _DRAWN,
    )  # fmt: skip
    shares = pl.col("treatment").mean().over("campaign_id")
    rows = rows.filter((shares > 0) & (shares < 1))
    _enough(rows, days)
    return {
        "customers": rows.with_columns(pl.col("propensity").fill_null(pl.col("treatment").mean().over("campaign_id")))
        .drop("campaign_id")
        .sort("timestamp", "customer_id", "campaign")
    }


def targets(shop_id: int, at: datetime) -> pl.DataFrame:
    """customer_id and today's features of every customer who may be profiled and targeted with ads."""
    spared = set(allowed_customers(shop_id, (Purpose.ADS, Purpose.PERSONALISATION, Purpose.MODEL_TRAINING)))
    rows = frames.read(statements.TARGETS, {"shop": shop_id, "at": at}, {"customer_id": pl.Int64(), **FEATURES})
    return rows.filter(pl.col("customer_id").is_in(list(spared)))


def orders(shop: Shop, window: Window) -> pl.DataFrame:
    """customer_id, date (the shop's day), amount (in its currency) of every order that was not cancelled."""
    return frames.read(
        statements.ORDERS,
        {
            "shop": shop.pk, "start": window.start or EPOCH, "end": window.end, "tz": shop.timezone,
            "currency": shop.currency,
        },
        {"customer_id": pl.Int64(), "date": pl.Date(), "amount": pl.Float64()},
    )  # fmt: skip


def allowed_customers(shop_id: int, purposes: Iterable[Purpose]) -> list[int]:
    """Ids of the customers who may be used for all of these purposes, as consent stands now."""
    found: set[int] | None = None
    for purpose in purposes:
        sql = statements.ALLOWED.format(
            refused=consent.refused_sql(purpose), spared=consent.spared_sql("c.id", "NULL::text")
        )
        ids = set(frames.read(sql, {"shop": shop_id}, {"id": pl.Int64()})["id"].to_list())
        found = ids if found is None else found & ids
    return sorted(found or ())


def running_campaigns(shop_id: int) -> pl.DataFrame:
    """id, external_id, name, channel, cost (a contact, null if nobody knows) of campaigns that may be shown, and until
    when. Those whose budget is spent are left out."""
    return frames.read(
        statements.CAMPAIGNS, {"shop": shop_id},
        {
            "id": pl.Int64(), "external_id": pl.String(), "name": pl.String(), "channel": pl.String(),
            "cost": pl.Float64(), "starts_at": pl.Datetime("us", "UTC"), "ends_at": pl.Datetime("us", "UTC"),
        },
    )  # fmt: skip


def campaign_names(shop_id: int) -> list[str]:
    """External ids of all campaigns, whether they run or not, the newest first."""
    return list(Campaign.objects.of(shop_id).order_by("-pk").values_list("external_id", flat=True))


def mean_order_value(shop_id: int, span: timedelta) -> float:
    """What an order was, on average, in the last `span` that had orders; 0 without any."""
    found = frames.read(statements.MEAN_ORDER, {"shop": shop_id, "span": span}, {"value": pl.Float64()})
    return float(found["value"][0] or 0.0)


def audience_candidates(shop_id: int, campaign_id: int | None) -> pl.DataFrame:
    """customer_id, segment, value, uplift (null where nobody has said) of every customer who may be targeted now."""
    allowed = allowed_customers(shop_id, (Purpose.ADS, Purpose.PERSONALISATION))
    rows = frames.read(
        statements.CANDIDATES, {"shop": shop_id, "campaign": campaign_id},
        {"customer_id": pl.Int64(), "segment": pl.String(), "value": pl.Float64(), "uplift": pl.Float64()},
    )  # fmt: skip
    return rows.filter(pl.col("customer_id").is_in(allowed))


def shown_since(shop_id: int, since: datetime) -> Iterable[tuple[Any, int | None, str]]:
    """(decision id, customer id, anonymous id) of every campaign shown since then: what caps are counted by."""
    rows = Decision.objects.of(shop_id).filter(plugin=PLUGIN, kind=KIND, id__gte=uuid7_floor(since))
    rows = rows.filter(payload__value__isnull=False)  # in an experiment the arm is the experiment's
    return rows.values_list("id", "customer_id", "anonymous_id").iterator()


def decided(shop_id: int, since: datetime) -> Mapping[str, Mapping[str, int]]:
    """Campaign's external id → arm → decisions since then."""
    rows = frames.read(
        statements.DECIDED, {"shop": shop_id, "first_id": uuid7_floor(since)},
        {"campaign": pl.String(), "arm": pl.String(), "n": pl.Int64()},
    )  # fmt: skip
    found: dict[str, dict[str, int]] = {}
    for campaign, arm, n in rows.iter_rows():
        found.setdefault(campaign, {})[arm] = n
    return found


def expected_orders(shop_id: int) -> Mapping[int, tuple[int, float]]:
    """Campaign (our id) → customers whom it persuades, and the orders that reaching all of them adds."""
    rows = frames.read(
        statements.EXPECTED, {"shop": shop_id}, {"campaign_id": pl.Int64(), "n": pl.Int64(), "orders": pl.Float64()}
    )  # fmt: skip
    return {campaign: (n, orders) for campaign, n, orders in rows.iter_rows()}


def segments(shop_id: int) -> list[dict[str, Any]]:
    """segment, customers, orders (expected), value (expected), by value."""
    return frames.read(
        statements.SEGMENTS, {"shop": shop_id},
        {"segment": pl.String(), "customers": pl.Int64(), "orders": pl.Float64(), "value": pl.Float64()},
    ).to_dicts()  # fmt: skip


def _enough(rows: pl.DataFrame, days: int) -> None:
    treated = int(rows["treatment"].sum())
    control, responses = rows.height - treated, int(rows["outcome"].sum())
    if min(treated, control) >= LEAST_IN_ARM and responses >= LEAST_RESPONSES:
        return
    needed = say(
        "%(arm)d customers reached, %(arm)d left alone by chance, and %(least)d orders of theirs within %(days)d days"
    )
    there = say("%(treated)d, %(control)d and %(responses)d")
    raise short_of(
        needed % {"arm": LEAST_IN_ARM, "least": LEAST_RESPONSES, "days": days},
        there % {"treated": treated, "control": control, "responses": responses},
        say("Let a campaign run with a control group until those days are over, or load one's assignments."),
    )
