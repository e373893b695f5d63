"""The learner of the slot `pricing.elasticity`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from msgspec import Meta

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, Silent, Split
from commerce_ai.learning.schema import Column, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.pricing import elasticity, features, scorer, shrinkage
from plugins.pricing.features import Floats, Panel
from plugins.pricing.scorer import Array, ElasticityScorer

SALES = FrameSchema(
    {
        "product_id": Column("id", "what"),
        "period": Column("any", "when: a date or a whole number; one row a product, store and period"),
        "units": Column("float", "sold in the period; 0 where nothing was", "pieces", at_least=0),
        "price": Column("float", "what one unit cost", "money", at_least=1e-6),
        "store_id": Column("id", "where, if there is more than one place", required=False),
        "promotion": Column("float", "share of the period under a promotion", required=False, nullable=True),
        "feature": Column("float", "share of the period shown in a flyer or up front", required=False, nullable=True),
        "brand": Column("text", "products of a brand are drawn together", required=False, nullable=True),
        "category": Column("text", "products of a category are drawn together", required=False, nullable=True),
    },
    extra="keep",
    doc="Units and price a product and period. Every other numeric column is a control (a rival's price, a holiday).",
)
OUTPUT = FrameSchema(
    {
        "product_id": Column("id", "as learned"),
        "elasticity": Column("float", "per cent of units gained for a price one per cent higher"),
        "lower": Column("float", "lower bound of the interval"),
        "upper": Column("float", "upper bound of the interval"),
    },
    extra="keep",
)
LEAST_PERIODS = 8
LATEST = 8  # periods that say how much is sold now


@dataclass(frozen=True)
class ElasticityParams:
    """Double machine learning with shrinkage."""

    nuisance: Annotated[
        Literal["auto", "linear", "trees"],
        Meta(description="What takes the controls away: ridge regression, boosted trees, or what does better."),
    ] = "auto"
    folds: Annotated[int, Meta(ge=2, le=20, description="Blocks of time for cross-fitting.")] = 4
    harmonics: Annotated[
        Annotated[int, Meta(ge=0, le=6)] | None,
        Meta(description="Waves of the season in a year. Null: chosen on validation, else 1."),
    ] = None
    trend: Annotated[bool, Meta(description="Whether the passing of time is a control.")] = True
    periods_per_year: Annotated[
        float, Meta(gt=0, description="How many periods make a year, where a period is a whole number.")
    ] = 52.0
    own_rows: Annotated[
        int, Meta(ge=50, description="From so many rows on a product has nuisances of its own; others share theirs.")
    ] = 300
    shrink: Annotated[bool, Meta(description="Draw noisy elasticities towards their category's and brand's.")] = True
    level: Annotated[
        float, Meta(ge=0.5, le=0.999, description="Probability that the interval holds the elasticity.")
    ] = 0.9
    seed: Annotated[int, Meta(ge=0, description="Of the trees.")] = 0


@dataclass(frozen=True)
class Fitted:
    """The scorer's arrays, what goes with them, and the parameters with every choice made."""

    arrays: Mapping[str, Array]
    about: Mapping[str, Any]
    params: ElasticityParams


def root_mean(sample: pl.DataFrame) -> float:
    """The root of the mean of squared errors, each unit with as many rows as it has."""
    return math.sqrt(float(sample["squares"].sum()) / max(1.0, float(sample["rows"].sum())))


class ElasticityLearner(Learner):
    """How demand answers to price, a product: judged by how well it foretells units of later periods."""

    name = "pricing.elasticity"
    slot = "pricing.elasticity"
    params = ElasticityParams
    metric = Metric("rmse_log_units", "min", "the mean of the product", root_mean)
    inputs = {"sales": SALES}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.pricing import queries  # reads Postgres; the rest of this file needs no Django

        return {"sales": queries.sales(shop, window)}

    def split(self, frames: Frames) -> Split:
        """By period: the last seventh is test, the seventh before it validation."""
        sales = frames["sales"]
        years = features.years(sales["period"], 1.0)
        known = np.unique(years)
        if len(known) < LEAST_PERIODS:
            words = say("%(least)d periods with sales") % {"least": LEAST_PERIODS}
            raise short_of(words, len(known), say("Give earlier sales, too."))
        held = max(1, round(len(known) / 7))
        cut = splits.cut_rows(sales.with_columns(pl.Series("_at", years)), "_at", known[-2 * held], known[-held])
        train, validation, test = ({"sales": part.drop("_at")} for part in cut)
        first = {name: part["sales"]["period"].min() for name, part in (("v", validation), ("t", test))}
        return Split(train, validation, test, {"validation_from": str(first["v"]), "test_from": str(first["t"])})

    def fit(self, frames: Frames, params: ElasticityParams, report: Any, validation: Frames | None = None) -> Fitted:
        """The number of waves is chosen on `validation`, which is then learned from as well."""
        sales = frames["sales"]
        if validation is not None:
            if params.harmonics is None:
                report(stage="choosing")
                params = replace(params, harmonics=self._choose(sales, validation, params))
            sales = pl.concat([sales, validation["sales"]], how="diagonal_relaxed")
        if params.harmonics is None:
            params = replace(params, harmonics=1)
        report(stage="fitting", progress=0.0)
        return _fit(sales, params, lambda share: report(progress=share))

    def save(self, fitted: Fitted, folder: Path) -> None:
        scorer.write(folder, fitted.arrays, {**fitted.about, "learner": self.name, "params": asdict(fitted.params)})

    def load(self, folder: Path) -> ElasticityScorer:
        return scorer.read(folder)

    def predict(self, scorer: ElasticityScorer, **requests: pl.DataFrame) -> pl.DataFrame:
        """All products that were learned from; nothing is asked."""
        names = ("elasticity", "lower", "upper", "own", "observations")
        return pl.DataFrame({"product_id": scorer.product_ids, **{name: scorer.arrays[name] for name in names}})

    def evaluate(self, scorer: ElasticityScorer, test: Frames) -> Evaluation:
        """Log units of later periods; rows of products that were not learned from are left out."""
        rows = scorer.panel(test["sales"])
        guesses = {
            "ours": scorer.predict_log_units(rows),
            "baseline": scorer.predict_log_units(rows, answer=False),
        }
        known = ~np.isnan(guesses["ours"])
        if not known.any():
            words = say("1 later row of a product that was learned from")
            raise short_of(words, 0, say("Give sales of the same products."))
        unit = pl.Series(rows.product_ids).gather(rows.product).cast(pl.String) + "|" + _text(rows.when)
        samples = {}
        for name, guess in guesses.items():
            frame = pl.DataFrame({"unit": unit, "squares": (rows.units - guess) ** 2}).filter(known)
            by_unit = frame.group_by("unit").agg(pl.col("squares").sum(), pl.len().cast(pl.Float64).alias("rows"))
            samples[name] = by_unit.sort("unit")
        mine, base = root_mean(samples["ours"]), root_mean(samples["baseline"])
        return Evaluation(
            {self.metric.name: mine, "products": float(len(scorer)), "elasticity": float(np.median(scorer.elasticity))},
            {self.metric.name: base},
            samples["ours"],
            samples["baseline"],
            (f"{int(known.sum())} of {len(rows)} later rows are of products that were learned from",),
        )

    def publish(self, scorer: ElasticityScorer, version: Any) -> None:
        """Write `PriceResponse`, and propose prices from it."""
        from plugins.pricing import tasks

        tasks.publish_version(scorer, version)

    def explain(self, scorer: ElasticityScorer) -> pl.DataFrame:
        """What units answer to beside the price, strongest first: the mean weight of each control."""
        names = [*scorer.about["controls"], *scorer.about["season"]]
        weights = scorer.arrays["weights"].mean(axis=0)
        order = np.argsort(-np.abs(weights))
        return pl.DataFrame({"feature": [names[i] for i in order], "weight": weights[order]})

    def no_table(self) -> str:
        return say(
            "No curves and no twin: it is readable as it stands. Units follow the price by one elasticity a product, "
            "a straight line in logarithms, and the weights above do the rest."
        )

    def _choose(self, sales: pl.DataFrame, validation: Frames, params: ElasticityParams) -> int:
        """None, one or two waves: whichever foretells the validation rows best, the fewer unless clearly worse."""
        found: dict[int, float] = {}
        for harmonics in (0, 1, 2):
            trial = replace(params, harmonics=harmonics, nuisance="linear")
            fitted = _fit(sales, trial, lambda share: Silent()())
            guess = ElasticityScorer(fitted.arrays, {**fitted.about, "params": asdict(trial)})
            found[harmonics] = self.evaluate(guess, validation).metrics[self.metric.name]
        return min(found, key=lambda each: found[each] * (1 + 0.002 * each))


def _fit(sales: pl.DataFrame, params: ElasticityParams, progress: Any) -> Fitted:
    rows = features.panel(sales, params.periods_per_year)
    harmonics = params.harmonics or 0
    controls = np.column_stack([rows.controls, features.season(rows.when, harmonics, params.trend)])
    found = elasticity.estimate(
        rows, controls, nuisance=params.nuisance, folds=params.folds, own_rows=params.own_rows, seed=params.seed,
        progress=progress,
    )  # fmt: skip
    if not np.isfinite(found.theta).any():
        words = say("1 product whose price changed often enough")
        raise short_of(words, 0, say("Give sales at several prices, or fewer own_rows."))
    if params.shrink:
        drawn = shrinkage.shrink(found.theta, found.se, rows.categories, rows.brands)
        mean, sd, spread = drawn.mean, drawn.sd, drawn.spread
    else:
        usual = float(np.nanmedian(found.theta))
        known = np.isfinite(found.se)
        mean, sd, spread = np.where(known, found.theta, usual), np.where(known, found.se, shrinkage.PRIOR_SD), {}
    width = NormalDist().inv_cdf((1 + params.level) / 2) * sd
    arrays = {
        "product_ids": _ids(rows.product_ids),
        "elasticity": mean, "lower": mean - width, "upper": mean + width, "sd": sd,
        "own": found.theta, "own_se": found.se, "observations": found.rows, "weights": found.weights,
        "categories": np.asarray(rows.categories, dtype=np.str_),
        "group_key": np.asarray(rows.group_key, dtype=np.str_),
        **_levels(rows), **_means(rows, controls),
    }  # fmt: skip
    about = {
        "controls": list(rows.names),
        "season": list(features.season_names(harmonics, params.trend)),
        "nuisance": found.nuisance,
        "spread": spread,
    }
    return Fitted(arrays, about, params)


def _levels(rows: Panel) -> dict[str, Floats]:
    """Units a period and the price of each product's latest periods, over all stores; its highest price ever."""
    n = len(rows.product_ids)
    last = np.full(n, -1)
    np.maximum.at(last, rows.product, rows.period)
    late = rows.period > last[rows.product] - LATEST
    product = rows.product[late]
    pairs = np.unique(np.column_stack([product, rows.period[late]]), axis=0)
    periods = np.maximum(np.bincount(pairs[:, 0], minlength=n), 1)
    counts = np.maximum(np.bincount(product, minlength=n), 1)
    highest = np.full(n, -np.inf)
    np.maximum.at(highest, rows.product, rows.price)
    return {
        "level_units": np.bincount(product, rows.raw_units[late], n) / periods,
        "level_price": np.exp(np.bincount(product, rows.price[late], n) / counts),
        "highest_price": np.exp(highest),
    }


def _means(rows: Panel, controls: Floats) -> dict[str, Floats]:
    """What each group, and each product over its groups, usually has: where predictions begin."""
    n = len(rows.product_ids)
    counts = np.maximum(np.bincount(rows.product, minlength=n), 1)
    by_group = {"units": rows.means(rows.units), "price": rows.means(rows.price)}
    by_product = {
        "units": np.bincount(rows.product, rows.units, n) / counts,
        "price": np.bincount(rows.product, rows.price, n) / counts,
    }
    columns = [rows.means(column) for column in controls.T]
    by_group["controls"] = np.column_stack(columns) if columns else np.empty((len(rows.group_key), 0))
    filled = [np.where(np.isnan(c), m[rows.group], c) for c, m in zip(controls.T, columns, strict=True)]
    totals = [np.bincount(rows.product, np.nan_to_num(column), n) / counts for column in filled]
    by_product["controls"] = np.column_stack(totals) if totals else np.empty((n, 0))
    return {
        **{f"group_{name}": values for name, values in by_group.items()},
        **{f"product_{name}": values for name, values in by_product.items()},
    }


def _ids(ids: pl.Series) -> Array:
    return ids.to_numpy() if ids.dtype.is_integer() else ids.to_numpy().astype(np.str_)


def _text(when: Floats) -> pl.Series:
    return pl.Series(np.round(when * 1000).astype(np.int64)).cast(pl.String)
