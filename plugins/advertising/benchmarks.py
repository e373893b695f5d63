"""Public data and protocols: Hillstrom's e-mail test for uplift, CDNOW's first buyers for customer value."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commerce_ai.learning.learner import Evaluation, Frames, Learner
from plugins.advertising import qini
from plugins.advertising.learner import CONTACTED, UpliftLearner, UpliftParams
from plugins.advertising.valuing import ORDERS, ValueLearner, ValueParams

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

SEEDS = 20
TEST, VALIDATION = 0.3, 0.14  # of all rows; validation is a fifth of the training rows
HILLSTROM_FEATURES = ("recency", "history_segment", "history", "mens", "womens", "zip_code", "newbie", "channel")
CDNOW_CUT, CDNOW_END = date(1997, 9, 30), date(1998, 6, 30)  # 39 weeks each


def hillstrom(bench: Bench) -> None:
    """Visit within two weeks of an e-mail against none, 70/30 at random, 20 seeds; both e-mails, three methods."""
    raw = pl.read_parquet(bench.file("ads/hillstrom.parquet"))
    bench.note(
        "70 % train (a fifth of it chooses between T and X, and is then learned from as well), 30 % test, drawn anew "
        "by each seed; Qini as sklift.metrics.qini_auc_score reckons it: chance 0, a perfect order 1"
    )
    bench.published("T-learner, women's", {"qini_auc": 0.055, "sd": 0.008}, "data README: LightGBM, ten splits")
    bench.published("T-learner, men's", {"qini_auc": 0.014, "sd": 0.008}, "data README: LightGBM, ten splits")
    bench.published("response, men's", {"qini_auc": 0.025}, "data README: LightGBM, ten splits")
    seeds = max(bench.seeds, SEEDS)
    for arm, name in (("Womens E-Mail", "women's"), ("Mens E-Mail", "men's")):
        rows = emailed(raw, arm)
        for method in ("auto", "t", "x") if arm.startswith("W") else ("auto",):
            if bench.wants(UpliftLearner.name) or bench.wants(method):
                _seeds(bench, rows, name, method, seeds)


def cdnow(bench: Bench) -> None:
    """Customers of early 1997: fitted on 39 weeks, held against the next 39."""
    raw = pl.read_parquet(bench.file("ads/cdnow.parquet"))
    bench.published("tenth sample", {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}, "Fader, Hardie, Lee 2005")
    bench.published("spending", {"p": 6.25, "q": 3.74, "gamma": 15.44}, "Fader, Hardie 2013")
    bench.published("all customers", {"mae_orders": 0.819, "rmse_orders": 1.733}, "data README")
    learner = ValueLearner()
    for name, rows in (("tenth sample", raw.filter(pl.col("in_tenth_sample"))), ("all customers", raw)):
        orders = ORDERS.check(rows.select("customer_id", "date", "amount"), "cdnow")
        train = {"orders": orders.filter(pl.col("date") <= CDNOW_CUT)}
        test = {"orders": orders.filter((pl.col("date") > CDNOW_CUT) & (pl.col("date") <= CDNOW_END))}
        started = monotonic()
        result, scorer = _judge(learner, ValueParams(), train, None, test, bench)
        seconds = round(monotonic() - started, 1)
        buying, spending = scorer.buying, scorer.spending
        bench.row(name, {"r": buying.r, "alpha": buying.alpha, "a": buying.a, "b": buying.b}, seconds=seconds)
        bench.row("spending", {"p": spending.p, "q": spending.q, "gamma": spending.gamma}, customers=name)
        bench.row("BG/NBD", result.metrics, customers=name)
        bench.row("own rate so far", result.baseline, customers=name)
        bench.row("last period again", _last_period(scorer, test), customers=name)


def emailed(raw: pl.DataFrame, arm: str) -> pl.DataFrame:
    """Hillstrom's customers of one e-mail and of none, as `customers`; the outcome is a visit."""
    rows = raw.with_row_index("customer_id").filter(pl.col("segment").is_in([arm, "No E-Mail"]))
    return CONTACTED.check(
        rows.select(
            pl.col("customer_id").cast(pl.Int64), (pl.col("segment") == arm).cast(pl.Int64).alias("treatment"),
            pl.col("visit").alias("outcome"), *HILLSTROM_FEATURES,
        ),
        "hillstrom",
    )  # fmt: skip


def at_random(rows: pl.DataFrame, seed: int) -> tuple[Frames, Frames, Frames]:
    """train, validation and test of the rows in a random order of this seed."""
    order = np.random.default_rng(seed).permutation(rows.height)
    cuts = round(rows.height * (1 - TEST - VALIDATION)), round(rows.height * (1 - TEST))
    train, validation, test = (rows[part] for part in np.split(order, cuts))
    return {"customers": train}, {"customers": validation}, {"customers": test}


def _seeds(bench: Bench, rows: pl.DataFrame, name: str, method: Any, seeds: int) -> None:
    learner, started = UpliftLearner(), monotonic()
    ours, plain, chosen = [], [], []
    for seed in range(seeds):
        train, validation, test = at_random(rows, seed)
        params = replace(UpliftParams(method=method, threads=1), seed=seed)
        result, scorer = _judge(learner, params, train, validation, test, bench)
        ours.append(qini.qini_of(result.sample))
        plain.append(result.baseline["qini_auc_response"])
        chosen.append(scorer.method)
    seconds = round(monotonic() - started, 1)
    figures = {"qini_auc": float(np.mean(ours)), "sd": float(np.std(ours)), "lowest": min(ours), "highest": max(ours)}
    bench.row(f"{method}, {name}", figures, seconds=seconds, seeds=seeds, x_chosen=chosen.count("x"))
    if method == "auto":
        bench.row(f"response, {name}", {"qini_auc": float(np.mean(plain)), "sd": float(np.std(plain))}, seeds=seeds)


def _judge(
    learner: Learner, params: Any, train: Frames, validation: Frames | None, test: Frames, bench: Bench
) -> tuple[Evaluation, Any]:
    """Fit, save, load, evaluate: what is judged is the artifact that would answer."""
    from commerce_ai.learning.learner import Silent

    fitted = learner.fit(train, params, Silent(), validation=validation)
    with tempfile.TemporaryDirectory() as folder:
        learner.save(fitted, Path(folder))
        scorer = learner.load(Path(folder))
        return learner.evaluate(scorer, test), scorer


def _last_period(scorer: Any, test: Frames) -> dict[str, float]:
    """As many days with an order as in the 39 weeks before the cut: that is all the time they are known."""
    later = test["orders"].group_by("customer_id").agg(pl.col("date").n_unique().alias("n"))
    seen = scorer.customers.join(later, on="customer_id", how="left", maintain_order="left")
    gap = (seen["x"] - seen["n"].cast(pl.Float64).fill_null(0)).to_numpy()
    return {"mae_orders": float(np.abs(gap).mean()), "rmse_orders": float(np.sqrt(np.mean(gap**2)))}


SUITES = {"hillstrom": hillstrom, "cdnow": cdnow}
