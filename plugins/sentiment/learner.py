"""The learner of the slot `sentiment.classifier`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from commerce_ai.encoders import exporting
from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, Split
from commerce_ai.learning.schema import Column, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.sentiment import classifier
from plugins.sentiment.classifier import ClassifierParams, SentimentModel, Texts
from plugins.sentiment.features import scripts_of

LANGUAGE = Column(
    "text", "BCP 47, as en or zh-CN; told by the letters where it is empty", required=False, nullable=True
)
TEXTS = FrameSchema(
    {
        "text": Column("text", "what somebody wrote"),
        "label": Column("text", "how it feels: positive, negative, or any other labels, two or more"),
        "language": LANGUAGE,
        "timestamp": Column("timestamp", "when; the latest texts are then held out", "UTC", required=False),
        "writer": Column("id", "who wrote it: what one alone says is not learned", required=False, nullable=True),
    },
    doc="One row a text that somebody, or a rating, has labelled.",
)
ASKED = FrameSchema(
    {"text": Column("text", "what is to be judged"), "language": LANGUAGE},
    extra="keep",
    doc="One row a text; other columns are passed on.",
)
OUTPUT = FrameSchema(
    {"text": Column("text", "as asked"), "label": Column("text", "the likeliest")},
    extra="keep",
    doc="The rows that were asked, in their order, with `label` and a column `p_<label>` for each label.",
)


class SentimentLearner(Learner):
    """N-grams and a frozen sentence encoder, mixed as validation says."""

    name = "sentiment.classifier"
    slot = "sentiment.classifier"
    params = ClassifierParams
    metric = Metric("accuracy", "max", "TF-IDF")
    inputs = {"texts": TEXTS}
    requests = {"texts": ASKED}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.sentiment import queries  # reads Postgres; the rest of this file needs no Django

        return queries.learning_frames(shop, window)

    def split(self, frames: Frames) -> Split:
        """The latest tenth is test and the tenth before it validation; without instants, by a hash of the text."""
        rows = frames["texts"]
        if not rows.height:
            raise short_of(say("1 labelled text"), 0, say("Give the frame some rows."))
        split = splits.by_time(frames, "timestamp") if "timestamp" in rows.columns else splits.by_hash(frames, "text")
        for name in ("train", "validation", "test"):
            if not getattr(split, name)["texts"].height:
                words = say("1 labelled text for each of train, validation and test")
                raise short_of(words, say("0 for %(name)s") % {"name": name}, say("Give more rows."))
        return split

    def fit(
        self, frames: Frames, params: ClassifierParams, report: Any, validation: Frames | None = None
    ) -> SentimentModel:
        known = texts_of(frames["texts"])
        if len(set(known.labels)) < 2:
            there = say("%(labels)d on %(texts)d texts") % {"labels": len(set(known.labels)), "texts": len(known.texts)}
            raise short_of(say("2 labels"), there, say("Give texts of another label."))
        later = texts_of(validation["texts"]) if validation is not None else None
        return classifier.fit(known, params, report, exporting.learning_encoder, later)

    def save(self, fitted: SentimentModel, folder: Path) -> None:
        fitted.save(folder, exporting.export)

    def load(self, folder: Path) -> SentimentModel:
        return classifier.load(folder)

    def predict(self, scorer: SentimentModel, **requests: pl.DataFrame) -> pl.DataFrame:
        asked = requests["texts"]
        probabilities = scorer.probabilities(texts_of(asked))
        labels = np.array(scorer.classes)[probabilities.argmax(axis=1)]
        return asked.with_columns(
            pl.Series("label", labels, dtype=pl.String),
            *(
                pl.Series(f"p_{name}", probabilities[:, place], dtype=pl.Float64)
                for place, name in enumerate(scorer.classes)
            ),
        )

    def evaluate(self, scorer: SentimentModel, test: Frames) -> Evaluation:
        """Accuracy and macro-F1 beside TF-IDF with a logistic regression, on the same texts."""
        asked = texts_of(test["texts"])
        truth = np.array(asked.labels)
        if not len(truth):
            raise short_of(say("1 labelled text to judge by"), 0, say("Give the frame some rows."))
        ours, theirs = scorer.probabilities(asked, remember=True), scorer.baseline(asked)
        commonest = max(np.unique(truth, return_counts=True)[1]) / len(truth)
        return Evaluation(
            _figures(scorer.classes, ours, truth),
            _figures(scorer.classes, theirs, truth),
            _sample(scorer.classes, ours, truth),
            _sample(scorer.classes, theirs, truth),
            (f"{len(truth)} texts, {commonest:.1%} of them with the commonest label",),
        )

    def explain(self, scorer: SentimentModel) -> pl.DataFrame:
        """What is mixed and how: n-grams are kept as numbers, so they have no names here; an answer's reasons do."""
        params = scorer.params
        parts = {"n-grams kept": len(scorer.ngrams.hashes), "vectors, words": params.words_share or 0.0,
                 "vectors, characters": params.characters_share or 0.0}  # fmt: skip
        return pl.DataFrame({"feature": list(parts), "weight": [float(each) for each in parts.values()]})

    def no_table(self) -> str:
        return say("No curves: it reads words, which are no numbers that could be turned; each answer names its own.")

    def publish(self, scorer: SentimentModel, version: Any) -> None:
        """Judge the last months' texts anew, count their days, and publish what is said of each product."""
        from plugins.sentiment import tasks

        tasks.publish_version(version.shop, scorer, version.pk)


def texts_of(frame: pl.DataFrame) -> Texts:
    """A frame `texts` as the classifier takes it."""
    languages = frame["language"].to_list() if "language" in frame.columns else None
    texts = frame["text"].to_list()
    labels = frame["label"].cast(pl.String).to_list() if "label" in frame.columns else ()
    writers = frame["writer"].to_list() if "writer" in frame.columns else ()
    return Texts(texts, scripts_of(texts, languages), labels, writers)


def _figures(classes: tuple[str, ...], probabilities: Any, truth: Any) -> dict[str, float]:
    said = np.array(classes)[probabilities.argmax(axis=1)]
    scores = []
    for label in np.unique(truth):
        both = np.sum((said == label) & (truth == label))
        scores.append(2 * both / max(np.sum(said == label) + np.sum(truth == label), 1))
    return {"accuracy": float(np.mean(said == truth)), "macro_f1": float(np.mean(scores))}


def _sample(classes: tuple[str, ...], probabilities: Any, truth: Any) -> pl.DataFrame:
    said = np.array(classes)[probabilities.argmax(axis=1)]
    return pl.DataFrame({"unit": np.arange(len(truth)), "value": (said == truth).astype(np.float64)})
