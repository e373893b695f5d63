"""Public data and protocols: BANKING77 as published, CLINC150 with its out-of-scope questions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commerce_ai.learning import splits
from plugins.support import features
from plugins.support.learner import IntentLearner, IntentParams

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

REJECTED = 0.05  # of in-scope questions
CHOOSES = 0.1  # of the texts to learn from


def banking77(bench: Bench) -> None:
    """BANKING77: 77 intents, 10,003 texts to learn from (a tenth of them to choose on), accuracy on 3,080."""
    train, test = (pl.read_parquet(bench.file(f"support/banking77-{part}.parquet")) for part in ("train", "test"))
    bench.note(f"{train.height} texts to learn from, a tenth chooses; {test.height} texts to judge by")
    bench.published("BERT, tuned", {"accuracy": 0.937}, "data/README.md: Casanueva et al. 2020 and later")
    started = monotonic()
    held = splits.hash_share(train["text"]) < CHOOSES
    scorer, chosen = _fit(bench, {"texts": train.filter(~held)}, {"texts": train.filter(held)})
    result = IntentLearner().evaluate(scorer, {"texts": test})
    seconds = round(monotonic() - started, 1)
    bench.row(
        "MiniLM + logistic regression", dict(result.metrics), seconds=seconds, bar={"accuracy": ">= 0.930"}, **chosen
    )
    bench.row("nearest mean vector", dict(result.baseline))
    _tfidf(bench, train, test)


def clinc150(bench: Bench) -> None:
    """CLINC150: 150 intents, and questions of none; the threshold rejects 5 % of the validation questions in scope."""
    parts = json.loads(Path(bench.file("support/clinc150.json")).read_text())
    frames = {
        name: pl.DataFrame(parts[name], schema=["text", "intent"], orient="row")
        for name in ("train", "val", "test", "oos_test")
    }
    bench.note(
        "no out-of-scope question is learned from; the threshold is the 95 % quantile of the validation questions"
    )
    bench.published("BERT, threshold", {"accuracy": 0.962, "oos_recall": 0.523}, "Larson et al. 2019")
    started = monotonic()
    scorer, chosen = _fit(bench, {"texts": frames["train"]}, {"texts": frames["val"]}, keep=False)
    asked = {name: scorer.vectors(frames[name]["text"].to_list()) for name in ("val", "test", "oos_test")}
    limit = float(np.quantile(scorer.intents.oddness(asked["val"]), 1 - REJECTED))
    odd = {name: scorer.intents.oddness(vectors) > limit for name, vectors in asked.items()}
    names = np.array(scorer.intents.names)
    right = names[scorer.intents.probabilities(asked["test"]).argmax(axis=1)] == frames["test"]["intent"].to_numpy()
    figures = {
        "accuracy": float(right.mean()),
        "accuracy of the accepted": float(right[~odd["test"]].mean()),
        "accuracy, rejected ones wrong": float((right & ~odd["test"]).mean()),
        "oos_recall": float(odd["oos_test"].mean()),
        "rejected in scope": float(odd["test"].mean()),
    }
    bar = {"accuracy": ">= 0.93", "oos_recall": ">= 0.75"}
    bench.row("MiniLM + logistic regression", figures, seconds=round(monotonic() - started, 1), bar=bar, **chosen)


def _fit(bench: Bench, train: Any, validation: Any, keep: bool = True) -> tuple[Any, dict[str, Any]]:
    """Fit, save, load: what is judged is the artifact that would answer. Without `keep`, validation only chooses."""
    learner = IntentLearner()
    fitted = learner.fit(train, IntentParams(), bench.report(), validation=validation)
    if not keep:
        fitted = learner.fit(train, fitted.params, bench.report())
    with tempfile.TemporaryDirectory() as folder:
        learner.save(fitted, Path(folder))
        return learner.load(Path(folder)), {"c": fitted.params.c}


def _tfidf(bench: Bench, train: pl.DataFrame, test: pl.DataFrame) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    started = monotonic()
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LinearSVC(random_state=0).fit(words.fit_transform(features.clean_all(train["text"])), train["intent"])
    right = model.predict(words.transform(features.clean_all(test["text"]))) == test["intent"].to_numpy()
    bench.row("TF-IDF + linear SVM", {"accuracy": float(right.mean())}, seconds=round(monotonic() - started, 1))


SUITES = {"banking77": banking77, "clinc150": clinc150}
