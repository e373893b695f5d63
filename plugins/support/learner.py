"""The learner of the slot `support.intent`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from msgspec import Meta

from commerce_ai.encoders import exporting
from commerce_ai.encoders import text as encoders
from commerce_ai.learning import metrics, splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, Split
from commerce_ai.learning.schema import Column, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.support import features, intents
from plugins.support.intents import Intents

TEXTS = FrameSchema(
    {
        "text": Column("text", "what the customer wrote"),
        "intent": Column("text", "what they wanted"),
    },
    doc="Questions of customers, each with the intent that a person gave it.",
)
ASKED = FrameSchema({"text": Column("text", "what the customer wrote")}, extra="keep")
OUTPUT = FrameSchema(
    {
        "text": Column("text", "as asked"),
        "intent": Column("text", "the likeliest"),
        "confidence": Column("float", "its probability", at_least=0, at_most=1),
        "out_of_scope_score": Column("float", "share of known texts that are less odd", at_least=0, at_most=1),
    },
    extra="keep",
)
LEAST_INTENTS, LEAST_EACH, LEAST_TEXTS = 2, 5, 50  # of texts, `queries` says the same
RIDGES = (0.0, 1.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class IntentParams:
    """Sentence vectors, and logistic regression or the nearest mean."""

    c: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Inverse of the ridge; 0: the nearest mean vector. Null: the best of 0, 1, 5, 10, 20 on "
            "validation, else 10."
        ),
    ] = None
    encoder: Annotated[
        str, Meta(description="A sentence-transformers name or folder. Empty: the setting TEXT_ENCODER.")
    ] = ""
    seed: Annotated[int, Meta(description="Of the texts that scale and temperature are held out by.")] = 0


@dataclass(frozen=True)
class Fitted:
    """What was learned, and the parameters with every choice made."""

    intents: Intents
    params: IntentParams


class IntentScorer:
    """Answers from an artifact: the encoder, and the intents over its vectors."""

    def __init__(self, folder: Path) -> None:
        self.encoder = encoders.load(folder)
        self.intents = intents.load(folder)
        self.params: Mapping[str, Any] = json.loads((folder / "params.json").read_text())

    def vectors(self, texts: list[str]) -> Any:
        """float32 ``[texts, dim]`` of cleaned texts."""
        return self.encoder.encode(features.clean_all(texts))


class IntentLearner(Learner):
    """What a customer wants, and whether the shop was ever asked that."""

    name = "support.intent"
    slot = "support.intent"
    params = IntentParams
    metric = Metric("accuracy", "max", "nearest mean vector of an intent")
    inputs = {"texts": TEXTS}
    requests = {"texts": ASKED}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.support import queries  # reads Postgres; the rest of this file needs no Django

        return queries.learning_frames(shop, window)

    def split(self, frames: Frames) -> Split:
        """By a hash of the text: the same question is always on the same side. Rare intents are left out."""
        rows = enough(frames["texts"])
        split = splits.by_hash({"texts": rows}, "text")
        if not split.test["texts"].height or split.train["texts"]["intent"].n_unique() < LEAST_INTENTS:
            words = say("%(labels)d intents to learn from and 1 text to hold back") % {"labels": LEAST_INTENTS}
            there = say("%(texts)d labelled texts, too much alike") % {"texts": rows.height}
            raise short_of(words, there, say("Give more texts."))
        return split

    def fit(self, frames: Frames, params: Any, report: Any, validation: Frames | None = None) -> Fitted:
        encoder = exporting.learning_encoder(params.encoder or None)
        rows = enough(frames["texts"], least=0)
        report(stage="encoding", progress=0.0)
        vectors = encode(encoder, rows["text"], report)
        names = rows["intent"].to_list()
        if validation is not None and validation["texts"].height:
            held = validation["texts"]
            theirs = encode(encoder, held["text"], report)
            if params.c is None:
                report(stage="choosing")
                params = replace(params, c=_choose(vectors, names, theirs, held["intent"].to_list()))
            vectors = np.concatenate([vectors, theirs])
            names += held["intent"].to_list()
        params = replace(params, c=10.0 if params.c is None else params.c)
        report(stage="fitting", progress=0.9)
        return Fitted(intents.fit(vectors, names, c=params.c, seed=params.seed), params)

    def save(self, fitted: Fitted, folder: Path) -> None:
        exporting.export(folder, fitted.params.encoder or None)
        fitted.intents.save(folder)
        (folder / "params.json").write_text(json.dumps(asdict(fitted.params)))

    def load(self, folder: Path) -> IntentScorer:
        return IntentScorer(folder)

    def predict(self, scorer: IntentScorer, **requests: pl.DataFrame) -> pl.DataFrame:
        rows = requests["texts"]
        vectors = scorer.vectors(rows["text"].to_list())
        chances = scorer.intents.probabilities(vectors)
        return rows.with_columns(
            pl.Series("intent", [scorer.intents.names[each] for each in chances.argmax(axis=1)], pl.String),
            pl.Series("confidence", chances.max(axis=1, initial=0).astype(np.float64)),
            pl.Series("out_of_scope_score", scorer.intents.oddness(vectors).astype(np.float64)),
        )

    def evaluate(self, scorer: IntentScorer, test: Frames) -> Evaluation:
        rows = test["texts"]
        if not rows.height:
            raise short_of(say("1 text to judge by"), 0, say("Give the frame some rows."))
        vectors = scorer.vectors(rows["text"].to_list())
        names = np.array(scorer.intents.names)
        chances = scorer.intents.probabilities(vectors)
        truth = rows["intent"].to_numpy().astype(str)
        right = names[chances.argmax(axis=1)] == truth
        base = names[scorer.intents.nearest_centroid(vectors)] == truth
        accepted = scorer.intents.oddness(vectors) <= 0.95
        confidence = chances.max(axis=1)
        return Evaluation(
            metrics={
                "accuracy": float(right.mean()),
                "accuracy_accepted": float(right[accepted].mean()) if accepted.any() else 0.0,
                "accepted": float(accepted.mean()),
                "calibration_error": metrics.calibration_error(right, confidence),
            },
            baseline={"accuracy": float(base.mean())},
            sample=_units(right),
            baseline_sample=_units(base),
        )

    def explain(self, scorer: IntentScorer) -> pl.DataFrame:
        """How far apart an intent's mean lies from its nearest neighbour: 0 where two can't be told apart."""
        cosines = scorer.intents.centroids @ scorer.intents.centroids.T
        np.fill_diagonal(cosines, -1)
        near = cosines.argmax(axis=1)
        names = scorer.intents.names
        return pl.DataFrame(
            {
                "feature": [f"{name} | {names[other]}" for name, other in zip(names, near.tolist(), strict=True)],
                "weight": 1 - cosines.max(axis=1).astype(np.float64),
            }
        ).sort("weight")

    def no_table(self) -> str:
        return say("No curves: it compares what a text means with known questions; there are no numbers to turn.")


def enough(rows: pl.DataFrame, least: int = LEAST_TEXTS) -> pl.DataFrame:
    """The rows of intents that have at least five texts. Raises `NotEnoughData` with fewer than two such intents."""
    kept = rows.filter(pl.len().over("intent") >= LEAST_EACH) if least else rows
    if kept["intent"].n_unique() < LEAST_INTENTS or kept.height < least:
        needed = say("%(texts)d labelled texts of %(intents)d intents, %(each)d of each")
        there = say("%(texts)d texts of %(intents)d intents")
        raise short_of(
            needed % {"texts": LEAST_TEXTS, "intents": LEAST_INTENTS, "each": LEAST_EACH},
            there % {"texts": rows.height, "intents": rows["intent"].n_unique()},
            say("Note more intents in the inbox, or give more texts."),
        )
    return kept


def encode(encoder: Any, texts: pl.Series, report: Any) -> Any:
    """Vectors of cleaned texts, with progress."""
    parts, cleaned = [], features.clean_all(texts.to_list())
    for start in range(0, len(cleaned), 2000):
        parts.append(encoder.encode(cleaned[start : start + 2000], remember=True))
        report(progress=0.9 * (start + 2000) / max(len(cleaned), 2000))
    return np.concatenate(parts) if parts else np.zeros((0, encoder.dim), np.float32)


def _choose(vectors: Any, names: list[str], held: Any, truth: list[str]) -> float:
    scores = {}
    for c in RIDGES:
        model = intents.classifier_of(vectors, names, c)
        guesses = np.array(model.classes)[model.logits(held).argmax(axis=1)]
        scores[c] = float((guesses == np.array(truth)).mean())
    return max(RIDGES, key=lambda c: (scores[c], -c))


def _units(right: Any) -> pl.DataFrame:
    return pl.DataFrame({"unit": np.arange(len(right)), "value": right.astype(np.float64)})
