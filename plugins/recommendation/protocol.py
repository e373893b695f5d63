"""How a ranking is judged: against what customers went on to want, among all products known in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from commerce_ai.learning import metrics
from commerce_ai.learning.learner import Evaluation
from commerce_ai.learning.shortage import say, short_of
from commerce_ai.learning.splits import hash_share
from plugins.recommendation.features import wanted
from plugins.recommendation.scorer import Array, CandidateScorer, look_up

TOP = 20
MOST_CUSTOMERS = 50_000  # more would only narrow an interval that is narrow already


@dataclass(frozen=True)
class Targets:
    """What known customers went on to want: customer ``customers[i]`` wanted ``products[starts[i]:starts[i + 1]]``.

    `unknown_customers` and `unknown_products` are the shares of the rows that were left out because training
    had never met them.
    """

    customers: Array
    starts: Array
    products: Array
    unknown_customers: float
    unknown_products: float


def targets(scorer: CandidateScorer, later: pl.DataFrame, most: int = MOST_CUSTOMERS) -> Targets:
    """The distinct products of the rows in `later`; what the scorer does not answer with (seen) can't be wanted.

    Of more than `most` customers an even, stable sample is taken, by the hash of the id; products never are sampled.
    """
    rows = wanted(later)
    customer = look_up(scorer.customer_ids, rows["customer_id"])
    product = look_up(scorer.product_ids, rows["product_id"])
    known = customer >= 0
    pairs = np.unique(np.stack([customer[known & (product >= 0)], product[known & (product >= 0)]]), axis=1)
    if scorer.remove_seen:
        pairs = pairs[:, ~_seen(scorer, *pairs)]
    customers = np.unique(pairs[0])
    if len(customers) > most:
        customers = _sample(scorer, customers, most)
        pairs = pairs[:, np.isin(pairs[0], customers)]
    counts = np.bincount(np.searchsorted(customers, pairs[0]), minlength=len(customers))
    return Targets(
        customers=customers,
        starts=np.concatenate([[0], np.cumsum(counts)]),
        products=pairs[1],
        unknown_customers=float(1 - known.mean()) if len(known) else 0.0,
        unknown_products=float(np.mean(product[known] < 0)) if known.any() else 0.0,
    )


def score(scorer: CandidateScorer, asked: Targets) -> Array:
    """NDCG@20 of each of the customers."""
    ranked, _ = scorer.rank(asked.customers, TOP)
    return metrics.ndcg(metrics.hit_matrix(ranked, asked.starts, asked.products), np.diff(asked.starts), TOP)


def evaluate(scorer: CandidateScorer, baseline: CandidateScorer, later: pl.DataFrame) -> Evaluation:
    """Both scorers on the same customers. Raises `NotEnoughData` when nobody known came back for something known."""
    asked = targets(scorer, later)
    if not len(asked.customers):
        words = say("1 customer who was learned from, with a later row of a product that was, too")
        raise short_of(words, 0, say("Give later rows of the same customers."))
    units = pl.Series("unit", scorer.customer_ids[asked.customers])
    figures, samples = [], []
    for each in (scorer, baseline):
        ranked, _ = each.rank(asked.customers, TOP)
        figures.append(
            metrics.ranking_figures(ranked, asked.starts, asked.products, item_count=len(scorer.product_ids))
        )
        values = metrics.ndcg(metrics.hit_matrix(ranked, asked.starts, asked.products), np.diff(asked.starts), TOP)
        samples.append(pl.DataFrame({"unit": units, "value": values}))
    what = "products new to each customer" if scorer.remove_seen else "all products, bought before or not"
    notes = (
        f"{len(asked.customers)} customers, {len(asked.products)} wanted products; {what}, "
        f"ranked among all {len(scorer.product_ids)}",
        f"left out: {asked.unknown_customers:.1%} of the later rows by customers, then {asked.unknown_products:.1%} "
        "by products that training had not met",
    )
    return Evaluation(figures[0], figures[1], samples[0], samples[1], notes)


def _seen(scorer: CandidateScorer, customer: Array, product: Array) -> Array:
    items = len(scorer.product_ids)
    starts = scorer.arrays["history_starts"]
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    bought = scorer.arrays["history_bought"]
    met = owner[bought].astype(np.int64) * items + scorer.arrays["history_products"][bought]
    return np.isin(customer.astype(np.int64) * items + product, met)


def _sample(scorer: CandidateScorer, customers: Array, most: int) -> Array:
    share = hash_share(pl.Series(scorer.customer_ids[customers])).to_numpy()
    return customers[np.sort(np.argsort(share, kind="stable")[:most])]
