"""Public data and protocols: time-split next baskets of a real shop, and leave-one-out on MovieLens-1M.

Every setting is chosen on rows before the held-out ones; the held-out rows are read once a method.
"""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import polars as pl

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Frames, NotEnoughData
from plugins.recommendation.learner import INTERACTIONS, CandidatesLearner, CollaborativeLearner, PopularityLearner

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

CUT = datetime(2011, 8, 1, tzinfo=UTC)
VALIDATION_FROM = datetime(2011, 6, 1, tzinfo=UTC)  # as long before the cut as two thirds of what comes after it
METHODS: dict[str, tuple[CandidatesLearner, dict[str, Any]]] = {
    "popularity": (PopularityLearner(), {}),
    "item_to_item": (CollaborativeLearner(), {"method": "item_to_item"}),
    "als": (CollaborativeLearner(), {"method": "als"}),
}


def online_retail(bench: Bench) -> None:
    """Online Retail II: what customers known before 2011-08-01 bought from then on, among all products known then."""
    raw = pl.read_parquet(bench.file("retail/online-retail-ii.parquet"))
    rows = purchases(raw)
    bench.note(
        f"cleaned: {rows.height} of {raw.height} rows are left, without cancellations, non-positive quantities and "
        "prices, rows without a customer, and codes that are no product (postage, fees, samples)"
    )
    bench.note(f"train before {CUT:%Y-%m-%d}, of it validation from {VALIDATION_FROM:%Y-%m-%d}; test from the cut on")
    parts = splits.by_time({"interactions": rows}, "timestamp", instants=(VALIDATION_FROM, CUT))
    for targets, remove_seen in (("all items", False), ("new-to-customer items", True)):
        _side_by_side(bench, parts, targets, remove_seen, ("recall@20", "ndcg@20"))


def movielens(bench: Bench) -> None:
    """MovieLens-1M in SASRec's version: the last product of each customer, among all others not seen before."""
    rows = INTERACTIONS.check(pl.read_parquet(bench.file("recommendation/ml-1m.parquet")), "ml-1m")
    bench.note("leave one out: last = test, second last = validation; all products ranked, seen ones removed")
    parts = splits.leave_last_out({"interactions": rows}, "customer_id", "position")
    bench.published("popularity", {"ndcg@10": 0.018, "hit@10": 0.036}, "arXiv 2309.07602")
    bench.published("SASRec, BCE", {"ndcg@10": 0.134, "hit@10": 0.250}, "arXiv 2309.07602 (a sequence model)")
    _side_by_side(bench, parts, "leave one out", True, ("ndcg@10", "hit@10", "ndcg@20", "recall@20"))


def purchases(raw: pl.DataFrame) -> pl.DataFrame:
    """Lines of Online Retail II that are a known customer's purchase of a product, as `interactions`.

    Codes of products are five digits, with up to two letters for a variant; everything else (POST, M, BANK CHARGES,
    gift vouchers …) is no product.
    """
    kept = raw.filter(
        ~pl.col("cancelled")
        & (pl.col("quantity") > 0)
        & (pl.col("unit_price") > 0)
        & pl.col("customer_id").is_not_null()
        & pl.col("sku").str.contains(r"^\d{5}[A-Za-z]{0,2}$")
    )
    return INTERACTIONS.check(kept.rename({"sku": "product_id"}), "online-retail-ii")


def _side_by_side(bench: Bench, parts: Any, targets: str, remove_seen: bool, names: tuple[str, ...]) -> None:
    noted = False
    for method, (learner, settings) in METHODS.items():
        if not (bench.wants(learner.name) or bench.wants(method)):
            continue
        for seed in range(bench.seeds if method == "als" else 1):  # the others draw nothing
            own = {**settings, "seed": seed} if method == "als" else settings
            params = learner.params(remove_seen=remove_seen, **own)
            seconds, fitted, result = _run(bench, learner, params, parts.train, parts.validation, parts.test)
            if not noted:
                bench.note("; ".join(result.notes))
                noted = True
            figures = {name: result.metrics[name] for name in names}
            bench.row(method, figures, seconds=seconds, targets=targets, seed=seed, params=_chosen(fitted.params))


def _run(
    bench: Bench, learner: CandidatesLearner, params: Any, train: Frames, validation: Frames, test: Frames
) -> tuple[float, Any, Any]:
    """Fit, save, load, evaluate: what is judged is the artifact that would answer."""
    import tempfile
    from pathlib import Path

    started = monotonic()
    fitted = learner.fit(train, params, bench.report(), validation=validation)
    with tempfile.TemporaryDirectory() as folder:
        learner.save(fitted, Path(folder))
        scorer = learner.load(Path(folder))
        try:
            result = learner.evaluate(scorer, test)
        except NotEnoughData as error:
            raise RuntimeError(f"the protocol leaves nothing to judge: {error}") from error
        return round(monotonic() - started, 2), fitted, result


def _chosen(params: Any) -> dict[str, Any]:
    names = ("half_life_days", "recency_half_life", "trend", "neighbours", "factors", "alpha", "regularization")
    of_als = ("factors", "alpha", "regularization")
    return {
        name: getattr(params, name)
        for name in names
        if hasattr(params, name) and (name not in of_als or params.method == "als")
    }


SUITES = {"online-retail": online_retail, "ml-1m": movielens}
