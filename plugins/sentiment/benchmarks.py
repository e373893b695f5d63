"""Public data and protocols: product reviews in English and Chinese, and surges injected into simulated days.

Every setting is chosen on a tenth of the training rows; the test rows are read once a method.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commerce_ai.learning import splits
from plugins.sentiment import surge
from plugins.sentiment.learner import TEXTS, SentimentLearner, texts_of
from plugins.sentiment.surge import Day

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

LEARNER = SentimentLearner()
DAILY_TEXTS, YEARS, SURGES = 200, 60, 2000
NOTHING_HELD_OUT = 1e-9  # the test rows have a file, or a draw, of their own


def amazon_polarity(bench: Bench) -> None:
    """Amazon polarity, the sub-sample of 8,000 and 2,000 reviews: accuracy on the test file."""
    train, test = (
        TEXTS.check(pl.read_parquet(bench.file(f"sentiment/amazon-polarity-{part}.parquet")), part)
        for part in ("train", "test")
    )
    bench.published("TF-IDF + linear SVM", {"accuracy": 0.883}, "the data's own README, measured on these files")
    _side_by_side(bench, train, test)


def online_shopping_zh(bench: Bench) -> None:
    """Chinese shop reviews of ten categories, stratified 80/20 with seed 0: accuracy and macro-F1."""
    from sklearn.model_selection import train_test_split

    rows = TEXTS.check(pl.read_parquet(bench.file("sentiment/online-shopping-zh.parquet")), "online-shopping-zh")
    first, second = train_test_split(np.arange(rows.height), test_size=0.2, stratify=rows["label"], random_state=0)
    words = {"accuracy": 0.940, "macro_f1": 0.939}
    bench.published("character TF-IDF + SVM", words, "the data's own README, measured on this file and split")
    _side_by_side(bench, rows[first], rows[second])


def surges(bench: Bench) -> None:
    """Simulated days of 200 texts: how often a quiet year alarms, and how soon a doubled share is found."""
    rng = np.random.default_rng(0)
    bench.note(f"{DAILY_TEXTS} texts a day, {surge.BASELINE_DAYS} days of baseline, 4 false alarms a year allowed, "
               "half of them for the shop as a whole: at most 2.0 a year here")  # fmt: skip
    level = surge.levels([True, *([False] * 8)], 4)[0]
    for share in (0.05, 0.1, 0.15, 0.25):
        started = monotonic()
        quiet = rng.binomial(DAILY_TEXTS, share, (YEARS, surge.BASELINE_DAYS + 365))
        alarms = sum(_alarms(year, level) for year in quiet)
        found = [_found_after(rng, share, level) for _ in range(SURGES)]
        figures = {
            "false alarms a year": alarms / YEARS,
            "found on day 1": float(np.mean([each == 1 for each in found])),
            "found within 2 days": float(np.mean([each <= 2 for each in found])),
        }
        bench.row("exact test", figures, seconds=round(monotonic() - started, 1), share=share)


def _side_by_side(bench: Bench, train: pl.DataFrame, test: pl.DataFrame) -> None:
    bench.note(
        f"{train.height} training rows, a tenth of them validation by a hash of the text; {test.height} test rows"
    )
    parts = splits.by_hash({"texts": train}, "text", validation=0.1, test=NOTHING_HELD_OUT)
    shown = False
    for method in ("tfidf", "auto"):
        if not (bench.wants(LEARNER.name) or bench.wants(method)):
            continue
        started = monotonic()
        params = LEARNER.params(method=method)
        fitted = LEARNER.fit(parts.train, params, bench.report(), validation=parts.validation)
        with tempfile.TemporaryDirectory() as folder:
            LEARNER.save(fitted, Path(folder))  # what is judged is the artifact that would answer, int8 and all
            scorer = LEARNER.load(Path(folder))
            result = LEARNER.evaluate(scorer, {"texts": test})
            size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
        seconds = round(monotonic() - started, 1)
        if not shown:
            bench.row("TF-IDF + logistic", result.baseline)
            shown = True
        used = {name: getattr(fitted.params, name) for name in ("c", "vector_c", "words_share", "characters_share")}
        figures = {**result.metrics, "calibration error": _calibration_error(scorer, test)}
        bench.row(f"method={method}", figures, seconds=seconds, params=used, megabytes=round(size, 1))


def _calibration_error(scorer: Any, test: pl.DataFrame) -> float:
    """Expected calibration error in ten bins: by how much the probabilities of the chosen labels are off."""
    asked = texts_of(test)
    chances = scorer.probabilities(asked, remember=True)
    sure = chances.max(axis=1)
    right = np.array(scorer.classes)[chances.argmax(axis=1)] == np.array(asked.labels)
    bins = np.minimum((sure * 10).astype(int), 9)
    return float(sum(abs((right[bins == each]).sum() - sure[bins == each].sum()) for each in range(10)) / len(sure))


def _alarms(counts: Any, level: float) -> int:
    """Alarms of one series of days; an alarm's day is not held against the next ones."""
    alarms, odd = 0, set()
    for day in range(surge.BASELINE_DAYS, len(counts)):
        before = [each for each in range(day - surge.BASELINE_DAYS, day) if each not in odd]
        if _alarming(counts, day, before, day - 1 in odd, level):
            alarms += 1
            odd.add(day)
    return alarms


def _found_after(rng: Any, share: float, level: float) -> int:
    """After how many days of a doubled share the alarm comes; 3 for later than two."""
    counts = np.concatenate(
        [rng.binomial(DAILY_TEXTS, share, surge.BASELINE_DAYS), rng.binomial(DAILY_TEXTS, 2 * share, 2)]
    )
    for day in (surge.BASELINE_DAYS, surge.BASELINE_DAYS + 1):
        if _alarming(counts, day, range(day - surge.BASELINE_DAYS, day), False, level):
            return day - surge.BASELINE_DAYS + 1
    return 3


def _alarming(counts: Any, day: int, before: Any, told: bool, level: float) -> bool:
    def held(days: list[int]) -> Day:
        base = [each for each in before if each not in days]
        return Day(DAILY_TEXTS * len(days), int(sum(counts[each] for each in days)), DAILY_TEXTS * len(base),
                   int(sum(counts[each] for each in base)))  # fmt: skip

    spans = [held([day])] + ([] if told else [held([day - 1, day])])
    return surge.alarming(spans)[0] <= level


SUITES = {"amazon-polarity": amazon_polarity, "online-shopping-zh": online_shopping_zh, "surges": surges}
