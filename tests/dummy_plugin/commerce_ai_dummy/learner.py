import json
from dataclasses import dataclass
from types import SimpleNamespace

import polars as pl

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Learner, Metric, NotEnoughData
from commerce_ai.learning.schema import Column, FrameSchema


@dataclass(frozen=True)
class Params:
    """`shrinkage`: how many ratings the shop's mean weighs as much as. `seed`: of the split."""

    shrinkage: float = 5.0
    seed: int = 0


class MeanLearner(Learner):
    name = "dummy.mean"
    slot = "dummy.rating"
    params = Params
    metric = Metric("mean_absolute_error", "min", "the shop's mean rating")
    inputs = {
        "ratings": FrameSchema(
            {
                "rating_id": Column("id", "one rating"),
                "product_id": Column("id", "rated product"),
                "rating": Column("float", "1 to 5", at_least=1, at_most=5),
            }
        )
    }
    requests = {"products": FrameSchema({"product_id": Column("id", "product to rate")})}
    output = FrameSchema({"product_id": Column("id", "as asked"), "rating": Column("float", "expected rating")})

    def frames(self, shop, window):
        from commerce_ai.shop.models import Review

        rows = list(Review.objects.of(shop).values_list("id", "product_id", "rating"))
        if len(rows) < 10:
            raise NotEnoughData(f"needs 10 reviews; there are {len(rows)}")
        return {
            "ratings": pl.DataFrame(rows, schema=["rating_id", "product_id", "rating"], orient="row").with_columns(
                pl.col("rating").cast(pl.Float64)
            )
        }

    def split(self, frames):
        return splits.by_hash(frames, "rating_id")

    def fit(self, frames, params, report, validation=None):
        report(stage="averaging", progress=0.5)
        mean = frames["ratings"]["rating"].mean()
        table = (
            frames["ratings"]
            .group_by("product_id")
            .agg(((pl.col("rating").sum() + mean * params.shrinkage) / (pl.len() + params.shrinkage)).alias("rating"))
        )
        return SimpleNamespace(params=params, mean=mean, table=table.sort("product_id"))

    def save(self, fitted, folder):
        (folder / "means.json").write_text(json.dumps({"mean": fitted.mean, "products": fitted.table.rows()}))

    def load(self, folder):
        stored = json.loads((folder / "means.json").read_text())
        return SimpleNamespace(mean=stored["mean"], products={key: value for key, value in stored["products"]})

    def predict(self, scorer, products):
        guess = [scorer.products.get(key, scorer.mean) for key in products["product_id"]]
        return products.select("product_id").with_columns(pl.Series("rating", guess, dtype=pl.Float64))

    def evaluate(self, scorer, test):
        ratings = test["ratings"]
        guess = self.predict(scorer, ratings)["rating"]
        sample = pl.DataFrame({"unit": ratings["rating_id"], "value": (guess - ratings["rating"]).abs()})
        baseline = sample.with_columns((ratings["rating"] - scorer.mean).abs().alias("value"))
        name = self.metric.name
        return Evaluation({name: sample["value"].mean()}, {name: baseline["value"].mean()}, sample, baseline)
