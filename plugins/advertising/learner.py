"""The learner of the slot `advertising.uplift`; that of `advertising.value` stands in valuing.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from msgspec import Meta

from commerce_ai.learning import boosters, splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, Split, Table
from commerce_ai.learning.schema import Column, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.advertising import encoding, qini, uplift
from plugins.advertising.uplift import METHODS, Rows, Trees, UpliftScorer

NO_FEATURES = ("customer_id", "treatment", "outcome", "propensity", "timestamp")
CONTACTED = FrameSchema(
    {
        "customer_id": Column("id", "who; a customer of two campaigns has two rows"),
        "treatment": Column("int", "1: was reached by the campaign, 0: was left alone", at_least=0, at_most=1),
        "outcome": Column("int", "1: responded, 0: did not", at_least=0, at_most=1),
        "propensity": Column(
            "float", "probability of having been reached, if it is known", required=False, at_least=0, at_most=1
        ),
        "timestamp": Column("timestamp", "when it was decided; splits by time then", "UTC", required=False),
    },
    extra="keep",
    doc="One row a customer of a campaign with a control group. Every other column is a feature, known beforehand.",
)
ASKED = FrameSchema({"customer_id": Column("id", "whom to score")}, extra="keep", doc="The features again.")
OUTPUT = FrameSchema(
    {
        "customer_id": Column("id", "as asked, in the order asked"),
        "uplift": Column("float", "what the campaign adds to the chance of a response", at_least=-1, at_most=1),
        "response": Column("float", "the chance of a response if left alone", at_least=0, at_most=1),
    }
)
FEW_ROWS = 100_000
MOST_JUDGED = 50_000  # test rows that the bootstrap draws from, by the hash of the customer
LEAST_IN_ARM, LEAST_RESPONSES = 20, 5  # in each of train, validation and test


@dataclass(frozen=True)
class UpliftParams:
    """Two models of the response, or what they teach of the effect."""

    method: Annotated[
        Literal["auto", "t", "x"], Meta(description="T-learner, X-learner, or the better one by Qini on validation.")
    ] = "auto"
    rounds: Annotated[int, Meta(ge=1, le=2000, description="Trees of each part.")] = 60
    depth: Annotated[int, Meta(ge=1, le=12, description="Depth of a tree.")] = 3
    rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate.")] = 0.05
    least_weight: Annotated[float, Meta(ge=0, description="Least weight of a leaf, in rows.")] = 10.0
    sample: Annotated[float, Meta(gt=0, le=1, description="Share of the rows that each tree sees.")] = 0.8
    seed: Annotated[int, Meta(description="Of the rows that each tree sees.")] = 0
    threads: Annotated[int, Meta(ge=0, description="Cores to use; 0: one for up to 100,000 rows, else all.")] = 0

    def trees(self, rows: int) -> Trees:
        # Waiting for each other costs threads more than so few rows take.
        threads = self.threads or (1 if rows <= FEW_ROWS else 0)
        return Trees(self.rounds, self.depth, self.rate, self.least_weight, self.sample, self.seed, threads)


@dataclass(frozen=True)
class Fitted:
    """Boosters by part, the encoder, and the parameters with the method chosen."""

    parts: Mapping[str, Any]
    encoder: encoding.Encoder
    treated_share: float
    params: UpliftParams

    def scorer(self) -> UpliftScorer:
        return UpliftScorer(self.parts, self.params.method, self.treated_share, self.encoder)


class UpliftLearner(Learner):
    """T- or X-learner on XGBoost, the better one on validation. Judged by the Qini coefficient (see qini.py)."""

    name = "advertising.uplift"
    slot = "advertising.uplift"
    params = UpliftParams
    metric = Metric("qini_auc", "max", "the better of chance (0) and a plain response model", qini.qini_of)
    inputs = {"customers": CONTACTED}
    requests = {"customers": ASKED}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.advertising import queries  # reads Postgres; the rest of this file needs no Django

        return queries.learning_frames(shop, window)

    def split(self, frames: Frames) -> Split:
        """By time (the last 30 % test, 20 % before it validation) if both arms stand in each part; else by customer."""
        rows = frames["customers"]
        _enough(rows)
        found = None
        if "timestamp" in rows.columns and rows["timestamp"].n_unique() > 2:
            found = splits.by_time(frames, "timestamp", validation=0.2, test=0.3)
        if found is None or not all(_is_enough(part["customers"]) for part in _parts(found)):
            found = splits.by_hash(frames, "customer_id", validation=0.2, test=0.3)
        for name, part in zip(("train", "validation", "test"), _parts(found), strict=True):
            _enough(part["customers"], name)
        return found

    def fit(self, frames: Frames, params: Any, report: Any, validation: Frames | None = None) -> Fitted:
        """The method by Qini on `validation`, which is then learned from as well."""
        rows = frames["customers"]
        if validation is not None and params.method == "auto":
            params = replace(params, method=_choose(rows, validation["customers"], params, report))
        elif params.method == "auto":
            params = replace(params, method="t")
        if validation is not None:
            rows = pl.concat([rows, validation["customers"]])
        report(stage=f"fitting {params.method}", progress=0.6)
        return _fit(rows, params, report)

    def save(self, fitted: Fitted, folder: Path) -> None:
        for name, booster in fitted.parts.items():
            boosters.save(booster, folder / f"{name}{boosters.SUFFIX}")
        about = {
            "learner": self.name, "params": asdict(fitted.params), "treated_share": fitted.treated_share,
            "encoder": encoding.as_json(fitted.encoder),
        }  # fmt: skip
        (folder / "scorer.json").write_text(json.dumps(about, indent=1))

    def load(self, folder: Path) -> UpliftScorer:
        about = json.loads((folder / "scorer.json").read_text())
        encoder = encoding.from_json(about["encoder"])
        return UpliftScorer(folder, about["params"]["method"], about["treated_share"], encoder)

    def predict(self, scorer: UpliftScorer, **requests: pl.DataFrame) -> pl.DataFrame:
        asked = requests["customers"]
        effect, alone = scorer.score(scorer.encoder.encode(asked))
        return pl.DataFrame({"customer_id": asked["customer_id"], "uplift": effect, "response": alone})

    def evaluate(self, scorer: UpliftScorer, test: Frames) -> Evaluation:
        """Beside a plain response model, or beside chance where that does worse: a campaign has both to choose from."""
        rows = test["customers"]
        if rows.height > MOST_JUDGED:
            rows = rows.filter(splits.hash_share(rows["customer_id"], seed=1) < MOST_JUDGED / rows.height)
        x = scorer.encoder.encode(rows)
        judged = _sample(rows, scorer.score(x)[0])
        plain = _sample(rows, scorer.response(x))
        figures = {"uplift": qini.qini_of(judged), "response": qini.qini_of(plain)}
        other = plain if figures["response"] > 0 else _sample(rows, np.zeros(rows.height))
        bands = {f"uplift_tenth_{place}": gain for place, gain in enumerate(qini.uplift_by_band(judged), 1)}
        effect = qini.uplift_by_band(judged, bands=1)[0]
        treated = int(rows["treatment"].sum())
        return Evaluation(
            metrics={"qini_auc": figures["uplift"], "average_uplift": effect, **bands},
            baseline={"qini_auc": max(0.0, figures["response"]), "qini_auc_response": figures["response"]},
            sample=judged,
            baseline_sample=other,
            notes=(f"{treated} treated and {rows.height - treated} control customers, method {scorer.method}",),
        )

    def publish(self, scorer: UpliftScorer, version: Any) -> None:
        """The uplift of every customer who may be targeted, by active campaign and for campaigns to come."""
        from plugins.advertising import publishing

        publishing.publish_uplift(self, scorer, version)

    def explain(self, scorer: UpliftScorer) -> pl.DataFrame:
        """The share of the splits' gain that each feature brought."""
        gains = sorted(scorer.gains().items(), key=lambda each: -each[1])
        return pl.DataFrame(gains, schema={"feature": pl.String, "weight": pl.Float64}, orient="row")

    def table(self, scorer: UpliftScorer, test: Frames) -> Table:
        x = scorer.encoder.encode(test["customers"])
        return Table(
            scorer.encoder.columns, x, lambda asked: scorer.score(np.asarray(asked, np.float32))[0],
            _sample(test["customers"], scorer.score(x)[0]),
        )  # fmt: skip


def _choose(rows: pl.DataFrame, later: pl.DataFrame, params: UpliftParams, report: Any) -> Any:
    figures = {}
    for place, method in enumerate(METHODS):
        report(stage=f"choosing {method}", progress=0.3 * place)
        scorer = _fit(rows, replace(params, method=method), report).scorer()
        figures[method] = qini.qini_of(_sample(later, scorer.score(scorer.encoder.encode(later))[0]))
        report(step=place + 1, validation_qini=figures[method])
    return max(METHODS, key=lambda method: (np.nan_to_num(figures[method], nan=-1.0), method == "t"))


def _fit(rows: pl.DataFrame, params: UpliftParams, report: Any) -> Fitted:
    encoder = encoding.learn(rows, NO_FEATURES)
    if not encoder.columns:
        raise short_of(say("1 feature"), 0, say("Every column beside customer_id, treatment and outcome is one."))
    learned = Rows(
        encoder.encode(rows),
        rows["treatment"].to_numpy(),
        rows["outcome"].to_numpy(),
        rows["propensity"].to_numpy() if "propensity" in rows.columns else None,
    )
    parts = uplift.fit(learned, params.method, params.trees(rows.height), report)  # type: ignore[arg-type]
    return Fitted(parts, encoder, float(learned.treatment.mean()), params)


def _sample(rows: pl.DataFrame, score: np.ndarray) -> pl.DataFrame:
    """One row a unit: the rows of the test frame, in their order."""
    propensity = rows["propensity"].to_numpy() if "propensity" in rows.columns else None
    weight = uplift.weights(rows["treatment"].to_numpy(), propensity)
    return pl.DataFrame(
        {
            "unit": np.arange(rows.height), "score": score, "treatment": rows["treatment"], "outcome": rows["outcome"],
            "weight": weight,
        }
    )  # fmt: skip


def _parts(split: Split) -> tuple[Frames, Frames, Frames]:
    return split.train, split.validation, split.test


def _counts(rows: pl.DataFrame) -> tuple[int, int, int]:
    treated = int(rows["treatment"].sum())
    return treated, rows.height - treated, int(rows["outcome"].sum())


def _is_enough(rows: pl.DataFrame) -> bool:
    treated, control, responses = _counts(rows)
    return min(treated, control) >= LEAST_IN_ARM and responses >= LEAST_RESPONSES


def _enough(rows: pl.DataFrame, part: str = "") -> None:
    if not _is_enough(rows):
        treated, control, responses = _counts(rows)
        words = say("%(treated)d treated and %(control)d control customers with %(responses)d responses")
        needed = words % {"treated": LEAST_IN_ARM, "control": LEAST_IN_ARM, "responses": LEAST_RESPONSES}
        there = words % {"treated": treated, "control": control, "responses": responses}
        raise short_of(needed, f"{there} ({part})" if part else there, say("Give more customers."))
