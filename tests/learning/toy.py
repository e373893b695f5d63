"""A tiny real learner: a product's mean rating, shrunk, in epochs that it keeps and resumes from. It can misbehave."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Learner, Metric, NotEnoughData
from commerce_ai.learning.schema import Column, FrameSchema

RATING = Column("float", "1 to 5", at_least=1, at_most=5)


@dataclass(frozen=True)
class Params:
    """`shrinkage`: weight of the overall mean. `epochs`, `pause_s`: how long it takes. `noise`: how wrong it is.
    `die_at`: the epoch before which a first attempt kills itself. `fail`, `fail_publish`: what it raises. `seed`."""

    shrinkage: float = 1.0
    epochs: int = 3
    pause_s: float = 0.0
    noise: float = 0.0
    die_at: int = -1
    die_always: bool = False
    fail: str = ""
    fail_publish: bool = False
    seed: int = 0


class Toy(Learner):
    name = "toy.mean"
    slot = "dummy.rating"
    params = Params
    metric = Metric("mean_absolute_error", "min", "the shop's mean rating")
    inputs = {"ratings": FrameSchema({"rating_id": Column("id"), "product_id": Column("id"), "rating": RATING})}
    requests = {"products": FrameSchema({"product_id": Column("id")})}
    output = FrameSchema({"product_id": Column("id"), "rating": Column("float")})
    published: list[int] = []

    def frames(self, shop, window):
        from commerce_ai.shop.models import Review

        rows = (
            Review.objects.of(shop).filter(at__lt=window.end).order_by("id").values_list("id", "product_id", "rating")
        )
        if len(rows) < 20:
            raise NotEnoughData(f"20 ratings are needed; there are {len(rows)}")
        return {"ratings": pl.DataFrame(list(rows), schema=["rating_id", "product_id", "rating"], orient="row")}

    def split(self, frames):
        return splits.by_hash(frames, "rating_id", validation=0.2, test=0.3)

    def fit(self, frames, params, report, validation=None):
        if params.fail:
            raise ValueError(params.fail)
        kept = report.checkpoint_folder()
        done = json.loads((kept / "epoch.json").read_text()) if kept and (kept / "epoch.json").exists() else []
        resumed = len(done)
        for epoch in range(resumed, params.epochs):
            if validation and epoch == params.die_at and (params.die_always or not resumed):
                print("the toy kills itself", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(params.pause_s)
            report(stage="averaging", progress=(epoch + 1) / params.epochs, step=epoch, loss=1 / (epoch + 1))
            done.append(epoch)
            if kept:
                (kept / "epoch.json").write_text(json.dumps(done))
        ratings = frames["ratings"]
        mean = float(ratings["rating"].mean())
        table = (
            ratings.group_by("product_id", maintain_order=True)
            .agg(rating=(pl.col("rating").sum() + mean * params.shrinkage) / (pl.len() + params.shrinkage))
            .sort("product_id")
        )
        noise = np.random.default_rng(params.seed).normal(0, 1, table.height) * params.noise
        return SimpleNamespace(
            params=params, mean=mean, resumed=resumed, table=table.with_columns(pl.col("rating") + noise)
        )

    def save(self, fitted, folder):
        said = {"mean": fitted.mean, "resumed": fitted.resumed, "fail_publish": fitted.params.fail_publish}
        (folder / "toy.json").write_text(json.dumps(said))
        (folder / "means").mkdir()
        np.save(folder / "means" / "products.npy", fitted.table["product_id"].to_numpy())
        np.save(folder / "means" / "ratings.npy", fitted.table["rating"].to_numpy())

    def load(self, folder: Path):
        said = json.loads((folder / "toy.json").read_text())
        products, ratings = (np.load(folder / "means" / f"{name}.npy") for name in ("products", "ratings"))
        return SimpleNamespace(**said, products=dict(zip(products.tolist(), ratings.tolist(), strict=True)))

    def predict(self, scorer, products):
        guess = [scorer.products.get(key, scorer.mean) for key in products["product_id"]]
        return products.select("product_id").with_columns(pl.Series("rating", guess, dtype=pl.Float64))

    def evaluate(self, scorer, test):
        ratings = test["ratings"]
        guess = self.predict(scorer, ratings)["rating"]
        sample = pl.DataFrame({"unit": ratings["rating_id"], "value": (guess - ratings["rating"]).abs()})
        baseline = sample.with_columns(value=(ratings["rating"] - scorer.mean).abs())
        name = self.metric.name
        return Evaluation({name: sample["value"].mean()}, {name: baseline["value"].mean()}, sample, baseline)

    def publish(self, scorer, version):
        if scorer.fail_publish:
            raise RuntimeError("the table is not there")
        Toy.published.append(version.pk)


class Many(Toy):
    """The same, for a slot that takes many."""

    name = "toy.many"
    slot = "recommendation.candidates"


class Other(Toy):
    """Another learner of the same single slot, which reads more."""

    name = "toy.other"
    inputs = {"ratings": FrameSchema({**Toy.inputs["ratings"].columns, "weight": Column("float")})}

    def frames(self, shop, window):
        return {"ratings": super().frames(shop, window)["ratings"].with_columns(weight=pl.lit(1.0))}


def announce(folder: Path) -> Path:
    """Write what pip writes for a package with these learners; on the path, they are installed."""
    info = folder / "toy_learners-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-learners\nVersion: 1.0\n")
    lines = [f"{each.name} = tests.learning.toy:{each.__name__}" for each in (Toy, Many, Other)]
    (info / "entry_points.txt").write_text("\n".join(["[commerce_ai.learners]", *lines, ""]))
    return folder


def stock(slug: str = "toys", ratings: int = 300):
    """A shop whose ten products are rated around means of their own."""
    from commerce_ai.shop.models import Product, Review, Shop

    shop = Shop.objects.create(slug=slug, name="Toys", currency="EUR", timezone="Europe/Berlin")
    products = Product.objects.bulk_create(
        Product(shop=shop, external_id=f"p{number}", title=f"Toy {number}") for number in range(10)
    )
    draw = np.random.default_rng(7)
    Review.objects.bulk_create(
        Review(
            shop=shop, external_id=f"r{number}", product=products[number % 10],
            rating=int(np.clip(round(draw.normal(1.5 + (number % 10) * 0.3, 0.4)), 1, 5)),
        )
        for number in range(ratings)
    )  # fmt: skip
    return shop
