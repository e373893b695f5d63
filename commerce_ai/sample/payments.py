"""How orders of the sample shop were paid, and what rings of fraudsters tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.people import People
from commerce_ai.sample.truth import (
    DECLINED,
    KNOWN_AFTER_DAYS,
    LONE_FRAUD,
    RING_EVERY_DAYS,
    RING_LASTS_DAYS,
    RING_PAYMENTS,
)


@dataclass(frozen=True)
class Payments:
    """Frames; `order` and `customer` are row numbers (null: none), `is_fraud` the truth that chargebacks tell late."""

    payments: pl.DataFrame
    chargebacks: pl.DataFrame

    def before(self, now: datetime) -> Payments:
        """Without what came later, or was known later."""
        return Payments(self.payments.filter(pl.col("at") < now), self.chargebacks.filter(pl.col("known_at") < now))


def make_payments(
    rng: np.random.Generator, people: People, orders: pl.DataFrame, midnights: list[datetime]
) -> Payments:
    """A payment for each order, and bursts of stolen cards on shared devices; chargebacks known before the end."""
    ordinary, rings = _ordinary(rng, people, orders), _rings(rng, people, midnights)
    payments = (
        pl.concat([ordinary, rings])
        .sort("at", maintain_order=True)
        .with_columns(pl.format("PAY-{}", pl.int_range(pl.len()) + 1).alias("external_id"))
    )
    known = payments.select(
        pl.int_range(pl.len()).alias("payment"), "at", "amount", "status", "is_fraud"
    ).filter(pl.col("is_fraud") & (pl.col("status") == "captured"))  # fmt: skip
    delay = pl.Series((rng.gamma(*KNOWN_AFTER_DAYS, len(known)) * 86_400e6).astype(np.int64)).cast(pl.Duration("us"))
    chargebacks = known.select(
        "payment", "amount", pl.col("at").alias("occurred_at"), (pl.col("at") + delay).alias("known_at")
    ).filter(pl.col("known_at") < pl.lit(midnights[-1], pl.Datetime("us", "UTC")))
    return Payments(
        payments,
        chargebacks.with_columns(pl.format("CB-{}", pl.int_range(pl.len()) + 1).alias("external_id")),
    )


def _ordinary(rng: np.random.Generator, people: People, orders: pl.DataFrame) -> pl.DataFrame:
    n = len(orders)
    customer = orders["customer"]
    who = customer.fill_null(-1).to_numpy()
    second = rng.random(n) < 0.2  # the phone instead of the computer
    # Customers who live together share a device.
    home = np.where(who % 7 == 0, who // 2 * 2, who)
    device = [
        f"dev-{h}-{int(s)}" if h >= 0 else f"dev-x-{row}"
        for row, (h, s) in enumerate(zip(home.tolist(), second.tolist(), strict=True))
    ]
    country = [people.customers["country"][each] if each >= 0 else "DE" for each in who.tolist()]
    lone = rng.random(n) < LONE_FRAUD
    return pl.DataFrame(
        {
            "order": np.arange(n),
            "customer": customer,
            "at": orders["at"],
            "amount": orders["total"],
            "method": np.where(rng.random(n) < 0.7, "card", "wallet"),
            "status": ["captured"] * n,
            "device_id": device,
            "ip": [f"100.64.{h % 250 if h >= 0 else 251}.{row % 250}" for row, h in enumerate(home.tolist())],
            "ip_country": country,
            "card_fingerprint": [f"card-{each}" if each >= 0 else f"card-x-{row}" for row, each in enumerate(who)],
            "card_country": country,
            "is_fraud": lone,
        },
        schema=_SCHEMA,
    )


def _rings(rng: np.random.Generator, people: People, midnights: list[datetime]) -> pl.DataFrame:
    days = len(midnights) - 1
    rows: list[dict[str, object]] = []
    for ring in range(max(1, days // RING_EVERY_DAYS)):
        start = midnights[0] + timedelta(days=float(rng.uniform(0, days)))
        count = int(rng.integers(*RING_PAYMENTS))
        lasts = float(rng.uniform(*RING_LASTS_DAYS))
        for turn in range(count):
            at = start + timedelta(days=lasts * float(rng.random()))
            if at >= midnights[-1]:
                continue
            victim = int(rng.integers(0, len(people.style)))
            rows.append(
                {
                    "order": None,
                    "customer": victim if rng.random() < 0.6 else None,
                    "at": at,
                    "amount": round(float(rng.lognormal(4.6, 0.6)), 2),
                    "method": "card",
                    "status": "declined" if rng.random() < DECLINED else "captured",
                    "device_id": f"dev-ring-{ring}",
                    "ip": f"100.65.{ring % 250}.{turn % 3}",
                    "ip_country": "NL",
                    "card_fingerprint": f"card-stolen-{ring}-{turn // 2}",
                    "card_country": str(rng.choice(["DE", "US", "FR"])),
                    "is_fraud": True,
                }
            )
    return pl.DataFrame(rows, schema=_SCHEMA)


_SCHEMA = {
    "order": pl.Int64(),
    "customer": pl.Int64(),
    "at": pl.Datetime("us", "UTC"),
    "amount": pl.Float64(),
    "method": pl.String(),
    "status": pl.String(),
    "device_id": pl.String(),
    "ip": pl.String(),
    "ip_country": pl.String(),
    "card_fingerprint": pl.String(),
    "card_country": pl.String(),
    "is_fraud": pl.Boolean(),
}
