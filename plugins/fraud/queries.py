"""Payments and what became known of them, as frames. The only reader of shop tables in this plugin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
from django.utils.translation import gettext as say
from django.utils.translation import ngettext

from commerce_ai.learning.learner import Frames, Window
from commerce_ai.learning.shortage import short_of
from commerce_ai.shop import consent, frames
from commerce_ai.shop.models import Chargeback, Customer, Label, Order, Payment, Shop
from plugins.fraud import entities
from plugins.fraud.models import FRAUD, LEGITIMATE, TASK, Case
from plugins.fraud.trees import TreesParams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LEAST_PAYMENTS, LEAST_FRAUDS = 200, 10

_PAYMENTS = {
    "transaction_id": pl.Int64(),
    "timestamp": pl.Datetime("us", "UTC"),
    "customer": pl.String(),
    "device_id": pl.String(),
    "card": pl.String(),
    "ip": pl.String(),
    "amount": pl.Float64(),
    "is_fraud": pl.Int64(),
    "known_at": pl.Datetime("us", "UTC"),
}


def learning_frames(shop: Shop, window: Window) -> Frames:
    """`transactions` of the window, oldest first. Raises `NotEnoughData`.

    A payment is fraud by what was said last of it before the window's end: by a chargeback, a person's label or a
    case's verdict; `known_at` is when that was first said. Of the last label delay nothing is said: honest payments
    and frauds look alike there. Attempts that failed are part of the past, and their label is open. Payments in
    another currency, and of people who refused the training of models, are left out.
    """
    read = frames.read(
        _SQL,
        {
            "shop": shop.pk,
            "currency": shop.currency,
            "start": window.start or datetime(1970, 1, 1, tzinfo=UTC),
            "end": window.end,
            "fraud": list(FRAUD),
            "legitimate": list(LEGITIMATE),
        },
        _PAYMENTS,
    )
    rows = _tied(shop.pk, read)
    local = pl.col("timestamp").dt.convert_time_zone(shop.timezone)
    open_from = window.end - timedelta(days=TreesParams.label_delay_days)
    rows = rows.with_columns(
        (local.dt.weekday() >= 6).cast(pl.Int64).alias("during_weekend"),
        (local.dt.hour() <= 6).cast(pl.Int64).alias("during_night"),
        pl.when(pl.col("timestamp") < open_from).then("is_fraud").alias("is_fraud"),
    )
    _enough(rows)
    return {"transactions": rows}


def payments_of(shop_id: int, customer_external_id: str) -> Iterable[tuple[str, str, str, str | None]]:
    """(payment, device, card fingerprint, IP address) of every payment of a customer, by the shop's ids."""
    rows = Payment.objects.of(shop_id).filter(customer__external_id=customer_external_id)
    return rows.values_list("external_id", "device_id", "card_fingerprint", "ip").iterator()


def _tied(shop_id: int, rows: pl.DataFrame) -> pl.DataFrame:
    """customer_id and terminal_id as numbers that name nobody."""
    rows = rows.with_columns(
        _named(rows, ("customer", "card"), entities.customer, shop_id).alias("customer_id"),
        _named(rows, ("device_id", "card", "ip"), entities.terminal, shop_id).alias("terminal_id"),
    )
    return rows.drop("customer", "device_id", "card", "ip")


def _named(rows: pl.DataFrame, columns: tuple[str, ...], name: Callable[..., str | None], shop_id: int) -> pl.Series:
    distinct = rows.select(columns).unique()
    keys = [entities.number(shop_id, name(*each)) for each in distinct.iter_rows()]
    keyed = distinct.with_columns(pl.Series("key", keys, dtype=pl.Int64))
    return rows.join(keyed, on=list(columns), how="left", nulls_equal=True, maintain_order="left")["key"]


def _enough(rows: pl.DataFrame) -> None:
    frauds = int((rows["is_fraud"] == 1).sum())
    if rows.height >= LEAST_PAYMENTS and frauds >= LEAST_FRAUDS:
        return
    remedy = say("Load chargebacks, or give verdicts on the fraud board; those older than %(days)d days count.")
    raise short_of(
        _counted(LEAST_PAYMENTS, LEAST_FRAUDS),
        _counted(rows.height, frauds),
        remedy % {"days": TreesParams.label_delay_days},
    )


def _counted(payments: int, frauds: int) -> str:
    return say("%(payments)s with %(frauds)s") % {
        "payments": ngettext("%(n)d payment", "%(n)d payments", payments) % {"n": payments},
        "frauds": ngettext("%(n)d known fraud", "%(n)d known frauds", frauds) % {"n": frauds},
    }


def _table(model: Any) -> str:
    return model._meta.db_table


_SQL = f"""
    WITH {consent.refused_sql(consent.Purpose.MODEL_TRAINING)},
    said AS (
        SELECT coalesce(c.payment_id, p.id) AS payment_id, c.is_fraud AS fraud, c.known_at AS at
        FROM {_table(Chargeback)} c
        LEFT JOIN {_table(Payment)} p ON c.payment_id IS NULL AND p.order_id = c.order_id
        WHERE c.shop_id = %(shop)s AND c.is_fraud IS NOT NULL AND c.known_at < %(end)s
        UNION ALL
        SELECT coalesce(p.id, l.subject_id), lower(l.value) = ANY(%(fraud)s), l.at
        FROM {_table(Label)} l
        LEFT JOIN {_table(Payment)} p ON l.subject_type = 'order' AND p.order_id = l.subject_id
        WHERE l.shop_id = %(shop)s AND l.task = '{TASK}' AND l.at < %(end)s
            AND (l.subject_type = 'payment' OR l.subject_type = 'order' AND p.id IS NOT NULL)
            AND (lower(l.value) = ANY(%(fraud)s) OR lower(l.value) = ANY(%(legitimate)s))
        UNION ALL
        SELECT p.id, k.state = 'confirmed', k.decided_at
        FROM {_table(Case)} k
        JOIN {_table(Payment)} p ON p.shop_id = k.shop_id AND p.external_id = k.payment_external_id
        WHERE k.shop_id = %(shop)s AND k.state <> 'open' AND k.decided_at < %(end)s
    ),
    latest AS (SELECT DISTINCT ON (payment_id) payment_id, fraud FROM said ORDER BY payment_id, at DESC, fraud DESC),
    told AS (
        SELECT l.payment_id, l.fraud, min(s.at) AS known_at
        FROM latest l JOIN said s ON s.payment_id = l.payment_id AND s.fraud = l.fraud
        GROUP BY l.payment_id, l.fraud
    )
    SELECT p.id AS transaction_id, p.at AS timestamp, c.external_id AS customer, p.device_id,
        p.card_fingerprint AS card, host(p.ip) AS ip, p.amount,
        CASE WHEN t.fraud IS NOT NULL THEN t.fraud::int
            WHEN p.status IN ('captured', 'authorised', 'refunded') THEN 0 END AS is_fraud,
        t.known_at
    FROM {_table(Payment)} p
    LEFT JOIN {_table(Customer)} c ON c.id = p.customer_id
    LEFT JOIN {_table(Order)} o ON o.id = p.order_id
    LEFT JOIN told t ON t.payment_id = p.id
    WHERE p.shop_id = %(shop)s AND p.currency = %(currency)s AND p.at >= %(start)s AND p.at < %(end)s
        AND {consent.spared_sql("p.customer_id", "o.anonymous_id")}
    ORDER BY p.at, p.id
"""  # noqa: S608  (table names of our own)
