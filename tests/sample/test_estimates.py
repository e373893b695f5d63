"""What plugins estimate from the facts, held against the truth that made them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from commerce_ai import registry
from commerce_ai.learning.learner import Silent
from commerce_ai.sample.generate import Size, generate
from commerce_ai.sample.truth import truth_of

UNTIL = date(2026, 3, 1)
N, DAYS = 96, 140


@pytest.fixture(scope="module")
def sample():
    return generate(2, Size(products=N, customers=1500, days=DAYS, visits_each=16), UNTIL)


def estimate(folder, name, frames, asked=None, **params):
    learner = registry.learner(name)
    fitted = learner.fit(frames, learner.params(**params), Silent())
    learner.save(fitted, folder)
    return learner.predict(learner.load(folder), **(asked or {}))


def days_before_the_end(sample, at):
    return (sample.until.timestamp() - at.dt.epoch("s").to_numpy()) / 86_400


def test_elasticities_are_recovered(sample, tmp_path):
    lines, prices = sample.happenings.lines, sample.prices
    day = DAYS - 1 - days_before_the_end(sample, sample.happenings.orders["at"]).astype(int).clip(0, DAYS - 1)
    week = prices.week[day][lines["order"].to_numpy()]
    units = np.zeros(prices.price.shape)
    np.add.at(units, (lines["product"].to_numpy(), week), lines["quantity"].to_numpy())
    weeks = units.shape[1]
    sales = pl.DataFrame(
        {
            "product_id": np.repeat(np.arange(N), weeks),
            "period": np.tile(np.arange(weeks), N),
            "units": units.ravel(),
            "price": prices.price.ravel(),
            "promotion": (prices.promoted > 0).astype(float).ravel(),
            "category": np.repeat(np.arange(N) % 12, weeks).astype(str),
        }
    )
    found = estimate(tmp_path, "pricing.elasticity", {"sales": sales}, nuisance="linear", folds=2).sort("product_id")
    true = truth_of(sample, 2).elasticity[found["product_id"].to_numpy()]
    assert (found["elasticity"] < 0).mean() > 0.9
    assert np.corrcoef(found["elasticity"], true)[0, 1] > 0.7


def test_uplift_ranks_those_first_whom_the_letter_draws(sample, tmp_path):
    letter, orders, events = sample.campaigns, sample.happenings.orders, sample.happenings.events
    n, true = len(sample.people.style), truth_of(sample, 2)
    after = orders.filter(pl.col("at").is_between(letter.sent_at, letter.sent_at + timedelta(days=14)))
    before = events.filter(
        (pl.col("at") < letter.sent_at) & pl.col("product").is_not_null() & pl.col("anonymous_id").str.starts_with("a-")
    )
    views = np.zeros((n, 4))
    who = before["anonymous_id"].str.slice(2).cast(pl.Int64).to_numpy() - 1
    np.add.at(views, (who, true.product_style[before["product"].to_numpy()]), 1)
    known = np.flatnonzero(views.sum(axis=1) >= 5)
    contacted = pl.DataFrame(
        {
            "customer_id": known,
            "treatment": letter.assigned["treated"].to_numpy()[known].astype(int),
            "outcome": np.isin(known, after["customer"].drop_nulls().to_numpy()).astype(int),
            "views": views.sum(axis=1)[known],
            **{f"share_{style}": (views[:, style] / views.sum(axis=1).clip(1))[known] for style in range(4)},
        }
    )
    asked = {"customers": contacted.drop("treatment", "outcome")}
    found = estimate(tmp_path, "advertising.uplift", {"customers": contacted}, asked, method="t", rounds=30)
    uplift, drawn = found["uplift"].to_numpy(), true.drawn[known]
    above = uplift[drawn][:, None] > uplift[~drawn][None]
    assert above.mean() > 0.75  # one half, if nothing were found
