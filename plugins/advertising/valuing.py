"""The learner of the slot `advertising.value`: how often a customer comes back, what they spend, who they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl
from msgspec import Meta

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, NotEnoughData, Split, Table
from commerce_ai.learning.schema import Column, FrameError, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.advertising import features, lifetime
from plugins.advertising.features import Bands
from plugins.advertising.lifetime import Buying, Spending

ORDERS = FrameSchema(
    {
        "customer_id": Column("id", "who"),
        "date": Column("date", "when; orders of one day are one purchase"),
        "amount": Column("float", "what was paid, in one currency", at_least=0),
    },
    doc="One row an order, all orders since each customer's first.",
)
CUSTOMERS = FrameSchema({"customer_id": Column("id", "whose value; of unknown customers nothing is said")})
OUTPUT = FrameSchema(
    {
        "customer_id": Column("id", "as asked, in the order asked"),
        "value": Column("float", "what they will spend over the horizon, in the orders' currency", nullable=True),
        "p_alive": Column("float", "probability that they have not left", nullable=True, at_least=0, at_most=1),
        "expected_orders": Column("float", "days with an order over the horizon", nullable=True, at_least=0),
        "segment": Column("text", "one of " + ", ".join(features.SEGMENTS), nullable=True),
    }
)
LEAST_CUSTOMERS, LEAST_REPEATERS, LEAST_DAYS = 50, 20, 28
ARRAYS = ("customer_id", "x", "t_x", "age", "mean", "spent", "days", "since")


@dataclass(frozen=True)
class ValueParams:
    """BG/NBD and Gamma-Gamma."""

    horizon_days: Annotated[int, Meta(ge=1, le=3650, description="How far to look ahead.")] = 365
    penalty: Annotated[
        float, Meta(ge=0, description="Pulls the parameters of BG/NBD towards 0; helps where there are few customers.")
    ] = 0.0


@dataclass(frozen=True)
class Fitted:
    """The two models, the customers that were seen, until when, and the bounds of the segments."""

    buying: Buying
    spending: Spending
    bands: Bands
    customers: pl.DataFrame
    until: date
    params: ValueParams


class ValueScorer:
    """What is expected of each customer that was seen, from the two models."""

    def __init__(self, fitted: Fitted) -> None:
        self.buying, self.spending, self.bands = fitted.buying, fitted.spending, fitted.bands
        self.customers, self.until, self.params = fitted.customers, fitted.until, fitted.params

    def expect(self, days: int, customers: pl.DataFrame | None = None) -> pl.DataFrame:
        """customer_id, value, p_alive, expected_orders, no_more over the next `days`, segment; a row a customer."""
        known = self.customers if customers is None else customers
        x, t_x, age, mean = (known[name].to_numpy() for name in ("x", "t_x", "age", "mean"))
        weeks = days / features.DAYS_A_WEEK
        orders = self.buying.expected(weeks, x, t_x, age)
        return pl.DataFrame(
            {
                "customer_id": known["customer_id"],
                "value": orders * self.spending.expected(np.where(mean > 0, x, 0.0), mean),
                "p_alive": self.buying.alive(x, t_x, age),
                "expected_orders": orders,
                "no_more": self.buying.no_more(weeks, x, t_x, age),
                "segment": features.segment(known, self.bands),
            }
        )


def root_of_mean(sample: pl.DataFrame) -> float:
    """The statistic of `Evaluation.sample`: the root of the mean of squared errors."""
    return float(np.sqrt(sample["value"].mean() or 0.0))  # type: ignore[arg-type]


class ValueLearner(Learner):
    """BG/NBD for how often, Gamma-Gamma for how much, quintiles for the segments; judged on what came later."""

    name = "advertising.value"
    slot = "advertising.value"
    params = ValueParams
    # What is published is a mean, so squared errors judge it: absolute ones are least at the median, which for most
    # customers is no order at all.
    metric = Metric("rmse_orders", "min", "the customer's own rate so far", root_of_mean)
    inputs = {"orders": ORDERS}
    requests = {"customers": CUSTOMERS}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.advertising import queries

        orders = queries.orders(shop, window)
        _enough(orders)
        return {"orders": orders}

    def split(self, frames: Frames) -> Split:
        """By day: the last fifth of the time is test, the tenth before it validation."""
        orders = frames["orders"]
        _enough(orders)
        first, last = _span(orders)
        span = (last - first).days
        cuts = first + timedelta(days=round(0.7 * span)), first + timedelta(days=round(0.8 * span))
        split = splits.by_time(frames, "date", instants=cuts)
        _enough(split.train["orders"])
        return split

    def fit(self, frames: Frames, params: Any, report: Any, validation: Frames | None = None) -> Fitted:
        """There is nothing to choose: `validation` is learned from as well, so that the test follows without a gap."""
        orders = frames["orders"]
        if validation is not None:
            orders = pl.concat([orders, validation["orders"]])
        until = _span(orders)[1]
        customers = features.histories(orders, until)
        report(stage="how often", progress=0.1)
        try:
            x, t_x, age = (customers[name].to_numpy() for name in ("x", "t_x", "age"))
            buying = lifetime.fit_buying(x, t_x, age, params.penalty)
            report(stage="how much", progress=0.7)
            paying = customers.filter((pl.col("x") > 0) & (pl.col("mean") > 0))
            spending = lifetime.fit_spending(paying["x"].to_numpy(), paying["mean"].to_numpy())
        except (lifetime.NoFit, ValueError) as error:
            raise NotEnoughData(f"{customers.height} customers: {error}") from error
        return Fitted(buying, spending, features.learn_bands(customers), customers, until, params)

    def save(self, fitted: Fitted, folder: Path) -> None:
        for name in ARRAYS:
            array = fitted.customers[name].to_numpy()
            array = array.astype(np.str_) if array.dtype == object else array
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        about = {
            "learner": self.name, "params": asdict(fitted.params), "until": fitted.until.isoformat(),
            "buying": msgspec.to_builtins(fitted.buying), "spending": msgspec.to_builtins(fitted.spending),
            "bands": msgspec.to_builtins(fitted.bands),
        }  # fmt: skip
        (folder / "scorer.json").write_text(json.dumps(about, indent=1))

    def load(self, folder: Path) -> ValueScorer:
        about = json.loads((folder / "scorer.json").read_text())
        customers = pl.DataFrame({name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ARRAYS})
        until, params = date.fromisoformat(about["until"]), ValueParams(**about["params"])
        buying, spending = Buying(**about["buying"]), Spending(**about["spending"])
        return ValueScorer(Fitted(buying, spending, Bands(**about["bands"]), customers, until, params))

    def predict(self, scorer: ValueScorer, **requests: pl.DataFrame) -> pl.DataFrame:
        asked = requests["customers"].select("customer_id")
        known = scorer.expect(scorer.params.horizon_days).drop("no_more")
        ids = asked["customer_id"]
        if (ids.dtype == pl.String) != (known["customer_id"].dtype == pl.String):
            kind = "text" if known["customer_id"].dtype == pl.String else "integers"
            raise FrameError(f"the ids that were learned are {kind}", source="customers", column="customer_id")
        found = asked.select(pl.col("customer_id").cast(known["customer_id"].dtype)).join(
            known, on="customer_id", how="left", maintain_order="left"
        )
        return found.with_columns(ids)

    def evaluate(self, scorer: ValueScorer, test: Frames) -> Evaluation:
        """Days with an order, and money, of each customer known before, in the time that the test rows span."""
        orders = test["orders"]
        if not orders.height:
            raise short_of(say("1 later order"), 0, say("Give orders after those that were learned from."))
        days = (_span(orders)[1] - scorer.until).days
        known = scorer.customers
        later = orders.group_by("customer_id").agg(pl.col("date").n_unique().alias("orders"), pl.col("amount").sum())
        actual = known.select("customer_id").join(later, on="customer_id", how="left", maintain_order="left")
        orders_then, spent_then = (actual[name].fill_null(0).to_numpy().astype(float) for name in ("orders", "amount"))
        said = scorer.expect(days)
        rate = known["x"].to_numpy() / np.maximum(known["age"].to_numpy(), 1) * days / features.DAYS_A_WEEK
        per_day = known["spent"].to_numpy() / known["days"].to_numpy()
        errors = np.abs(said["expected_orders"].to_numpy() - orders_then)
        base = np.abs(rate - orders_then)
        return Evaluation(
            metrics={
                "mae_orders": float(errors.mean()),
                "rmse_orders": _rmse(said["expected_orders"].to_numpy(), orders_then),
                "mae_value": float(np.abs(said["value"].to_numpy() - spent_then).mean()),
                "orders_said_over_seen": float(said["expected_orders"].sum() / max(orders_then.sum(), 1)),
            },
            baseline={
                "mae_orders": float(base.mean()),
                "rmse_orders": _rmse(rate, orders_then),
                "mae_value": float(np.abs(rate * per_day - spent_then).mean()),
                "orders_said_over_seen": float(rate.sum() / max(orders_then.sum(), 1)),
            },
            sample=pl.DataFrame({"unit": known["customer_id"], "value": errors**2}),
            baseline_sample=pl.DataFrame({"unit": known["customer_id"], "value": base**2}),
            notes=(f"{known.height} customers over {days} days",),
        )

    def publish(self, scorer: ValueScorer, version: Any) -> None:
        """`CustomerScore` of every customer who did not object."""
        from plugins.advertising import publishing

        publishing.publish_values(scorer, version)

    def explain(self, scorer: ValueScorer) -> pl.DataFrame:
        """The parameters of the two models."""
        spending = {f"spending {name}": value for name, value in msgspec.to_builtins(scorer.spending).items()}
        said = {**msgspec.to_builtins(scorer.buying), **spending}
        return pl.DataFrame({"feature": list(said), "weight": list(said.values())})

    def table(self, scorer: ValueScorer, test: Frames) -> Table:
        """Value by a customer's four figures. The learner is judged on orders, so the twin has no metric."""
        rows = scorer.customers.select("x", "t_x", "age", "mean").to_numpy().astype(float)

        def answer(asked: Any) -> Any:
            x, t_x, age, mean = np.asarray(asked, float).T
            weeks = scorer.params.horizon_days / features.DAYS_A_WEEK
            # A customer's last order is never older than the first, whatever a curve sets beside it.
            orders = scorer.buying.expected(weeks, x, np.minimum(t_x, age), age)
            return orders * scorer.spending.expected(np.where(mean > 0, x, 0.0), mean)

        names = (
            say("days with an order after the first"), say("weeks from the first order to the last"),
            say("weeks since the first order"), say("mean amount of a day with an order"),
        )  # fmt: skip
        return Table(names, rows, answer)


def _enough(orders: pl.DataFrame) -> None:
    days = orders.select("customer_id", "date").unique().group_by("customer_id").len()["len"]
    repeaters = int((days > 1).sum())
    span = (_span(orders)[1] - _span(orders)[0]).days if orders.height else 0
    if len(days) < LEAST_CUSTOMERS or repeaters < LEAST_REPEATERS or span < LEAST_DAYS:
        words = say("%(people)d customers with orders, %(again)d of them on more than one day, over %(days)d days")
        raise short_of(
            words % {"people": LEAST_CUSTOMERS, "again": LEAST_REPEATERS, "days": LEAST_DAYS},
            words % {"people": len(days), "again": repeaters, "days": span},
            say("Load earlier orders, or wait for more."),
        )


def _span(orders: pl.DataFrame) -> tuple[date, date]:
    return orders["date"].min(), orders["date"].max()  # type: ignore[return-value]


def _rmse(said: np.ndarray, seen: np.ndarray) -> float:
    return float(np.sqrt(np.mean((said - seen) ** 2)))
