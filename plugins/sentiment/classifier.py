"""How a text feels: a linear classifier over n-grams, one over a sentence encoder's vectors, and their mixture.

Both say a logit for each label; the mixture's weight is chosen on validation for each script by itself, since an
encoder knows the languages that it was trained on and no others. Vectors are used only where they earn their time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from commerce_ai.encoders import text as encoders
from commerce_ai.encoders.text import TextEncoder
from commerce_ai.learning import linear
from commerce_ai.learning.linear import LinearClassifier
from plugins.sentiment import ngrams
from plugins.sentiment.features import SCRIPTS, WORDS, Script, grams, surfaces
from plugins.sentiment.ngrams import Cells, Counts, Ngrams

Floats = npt.NDArray[np.float32]

CS, VECTOR_CS = (0.1, 0.3, 1.0), (1.0, 10.0)
USUAL_TEMPERATURE = 0.4  # of the n-grams' margins, where no validation rows say it
PLAIN_C = 4.0  # of the yardstick: the best of a few on the public data, so that it is no straw man
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
LEAST_GAIN = 0.02  # of the log-loss: below it vectors cost the web more than they bring
LEAST_OF_SCRIPT = 50  # texts of a script before its share is chosen
MOST_ENCODED = 20_000  # texts that the vectors' head learns from
MOST_UNKNOWN = 0.2  # share of tokens; above it the encoder does not know the language


@dataclass(frozen=True)
class ClassifierParams:
    """What is null is chosen on validation."""

    method: Annotated[
        Literal["auto", "tfidf", "vectors", "both"],
        Meta(description="Which features: n-grams, a sentence encoder's vectors, both; auto: what validation says."),
    ] = "auto"
    c: Annotated[float | None, Meta(description="Inverse ridge of the n-grams' head.")] = None
    ngram_temperature: Annotated[
        float | None,
        Meta(description="What the n-grams' margins are divided by, to be mixed with the vectors' logits."),
    ] = None
    vector_c: Annotated[float | None, Meta(description="Inverse ridge of the vectors' head.")] = None
    words_share: Annotated[
        float | None, Meta(description="Weight of the vectors where words are spaced (English).")
    ] = None
    characters_share: Annotated[
        float | None, Meta(description="Weight of the vectors where they are not (Chinese).")
    ] = None
    temperature: Annotated[float | None, Meta(description="Above 1 probabilities are made less sure.")] = None
    features: Annotated[int, Meta(ge=100, le=2_000_000, description="N-grams kept at most, the commonest.")] = 400_000

    def share(self, script: Script) -> float:
        """Weight of the vectors in texts of this script."""
        return self.chosen(script) or 0.0

    def chosen(self, script: Script) -> float | None:
        """As `share`; None where it is still open."""
        return self.words_share if script == WORDS else self.characters_share

    def with_share(self, script: Script, share: float) -> ClassifierParams:
        return replace(self, words_share=share) if script == WORDS else replace(self, characters_share=share)


@dataclass(frozen=True)
class Texts:
    """Texts with their scripts and, where they are learned from, labels and who wrote each (None: nobody knows)."""

    texts: Sequence[str]
    scripts: Sequence[Script]
    labels: Sequence[str] = ()
    writers: Sequence[Any] = ()

    def of(self, keep: npt.NDArray[Any]) -> Texts:
        """Those rows alone: by a mask, or by their places."""
        places = [int(each) for each in (np.flatnonzero(keep) if keep.dtype == bool else keep)]
        labels, writers = ([of[each] for each in places] if of else () for of in (self.labels, self.writers))
        return Texts([self.texts[each] for each in places], [self.scripts[each] for each in places], labels, writers)

    def __add__(self, other: Texts) -> Texts:
        each = (self, other)
        writers = [who for one in each for who in one.writers or [None] * len(one.texts)]
        labels = [*self.labels, *other.labels]
        return Texts([*self.texts, *other.texts], [*self.scripts, *other.scripts], labels, writers)

    def count(self) -> Counts:
        return ngrams.count(self.texts, self.scripts)

    def written_in(self, script: Script) -> npt.NDArray[np.bool_]:
        return np.array([each == script for each in self.scripts], bool)


@dataclass(frozen=True)
class SentimentModel:
    """What answers. `head` reads n-grams, `vector_head` (None: not used) the encoder's vectors.

    `plain` is the yardstick that it is held against: a logistic regression over TF-IDF.
    """

    params: ClassifierParams
    ngrams: Ngrams
    head: LinearClassifier
    plain: LinearClassifier
    vector_head: LinearClassifier | None = None
    encoder: TextEncoder | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.head.classes

    def probabilities(self, asked: Texts, *, remember: bool = False) -> Floats:
        """``[texts, classes]``; each row sums to one."""
        return linear.softmax(self._logits(asked, remember) / (self.params.temperature or 1.0))

    def baseline(self, asked: Texts) -> Floats:
        """What the yardstick says."""
        return linear.softmax(_times(self.ngrams.tfidf(asked.count()), self.plain))

    def speaking(self, text: str, script: Script, label: str, most: int = 3) -> list[tuple[str, float]]:
        """The n-grams of a text that speak most for `label` and how much, strongest first, none within another."""
        found = grams(text, script)
        column = self.ngrams.places(found)
        weights = self.head.weights - self.head.weights.mean(axis=0, keepdims=True)
        mine = weights[self.classes.index(label)]
        known = np.flatnonzero(column >= 0)
        score = mine[column[known]] * self.ngrams.telling[column[known]]
        names, chosen = surfaces(text, script), []
        for place in np.argsort(-score, kind="stable"):
            name = names[known[place]]
            if score[place] <= 0 or len(chosen) == most:
                break
            if not any(name in kept or kept in name for kept, _ in chosen):
                chosen.append((name, float(score[place])))
        return chosen

    def save(self, folder: Path, export: Callable[[Path], None]) -> None:
        """Arrays and JSON; the encoder's three files (`export` writes them) only where vectors count."""
        self.ngrams.save(folder)
        self.head.save(folder, "head")
        self.plain.save(folder, "plain")
        if self.vector_head is not None:
            self.vector_head.save(folder, "vector_head")
            export(folder)
        (folder / "sentiment.json").write_text(json.dumps(asdict(self.params)))

    def _logits(self, asked: Texts, remember: bool) -> Floats:
        logits = _times(self.ngrams.cells(asked.count()), self.head)
        if self.vector_head is None or self.encoder is None:
            return logits
        share = np.array([self.params.share(each) for each in asked.scripts], np.float32)
        rows = np.flatnonzero(share)
        if len(rows):
            vectors = self.encoder.encode([asked.texts[int(row)] for row in rows], remember=remember)
            weight = share[rows, None]
            logits[rows] = (1 - weight) * logits[rows] + weight * self.vector_head.logits(vectors)
        return logits


def load(folder: Path) -> SentimentModel:
    """What `save` wrote; needs neither torch nor scikit-learn."""
    params = ClassifierParams(**json.loads((folder / "sentiment.json").read_text()))
    heads = linear.load(folder, "head"), linear.load(folder, "plain")
    made = SentimentModel(params, ngrams.load(folder), *heads)
    if not (folder / "vector_head.json").exists():
        return made
    return replace(made, vector_head=linear.load(folder, "vector_head"), encoder=encoders.load(folder))


def fit(
    known: Texts,
    params: ClassifierParams,
    report: Any,
    encoder: Callable[[], TextEncoder],
    validation: Texts | None = None,
) -> SentimentModel:
    """Learn; with `validation` open choices are made on it, then it is learned from as well."""
    if validation is not None and validation.texts:
        params = _choose(known, validation, params, report, encoder)
        known = known + validation
    params = _filled(params)
    report(stage="fitting", progress=0.5)
    counts = known.count()
    kept = ngrams.fit(counts, known.labels, params.features, known.writers)
    head = _ngram_head(kept.cells(counts).matrix(), known.labels, params.c or CS[1], params.ngram_temperature or 1.0)
    made = SentimentModel(params, kept, head, linear.fit(kept.tfidf(counts).matrix(), known.labels, c=PLAIN_C))
    rows = np.array([params.share(each) > 0 for each in known.scripts], bool)
    if not rows.any():
        return made
    head, used = _vector_head(known.of(rows), params.vector_c or VECTOR_CS[0], encoder)
    return replace(made, vector_head=head, encoder=used) if head.classes == made.classes else made


def _choose(
    known: Texts, later: Texts, params: ClassifierParams, report: Any, encoder: Callable[[], TextEncoder]
) -> ClassifierParams:
    report(stage="choosing", progress=0.0)
    counts = known.count()
    kept = ngrams.fit(counts, known.labels, params.features, known.writers)
    cells, there = kept.cells(counts).matrix(), kept.cells(later.count())
    best: tuple[float, LinearClassifier, float] | None = None
    for c in (params.c,) if params.c else CS:
        head = _ngram_head(cells, known.labels, c)
        loss = _loss(_times(there, head), head.classes, later.labels)
        if best is None or loss < best[0]:
            best = loss, head, c
    assert best is not None
    _, head, c = best
    logits = _times(there, head)
    if params.ngram_temperature is None:
        params = replace(params, ngram_temperature=_temperature(logits, head.classes, later.labels, USUAL_TEMPERATURE))
    logits = logits / np.float32(params.ngram_temperature or 1.0)
    params = replace(params, c=c)
    if params.method != "tfidf":
        for script in SCRIPTS:
            params, logits = _choose_share(known, later, params, script, head.classes, logits, report, encoder)
    if params.temperature is None:
        params = replace(params, temperature=_temperature(logits, head.classes, later.labels))
    return params


def _choose_share(
    known: Texts, later: Texts, params: ClassifierParams, script: Script, classes: tuple[str, ...], logits: Floats,
    report: Any, encoder: Callable[[], TextEncoder],
) -> tuple[ClassifierParams, Floats]:  # fmt: skip
    """The share of the vectors in one script, and the logits of `later` with it."""
    mine, theirs = known.written_in(script), later.written_in(script)
    few = mine.sum() < LEAST_OF_SCRIPT or theirs.sum() < LEAST_OF_SCRIPT // 10
    if params.chosen(script) is not None or few:
        return params, logits
    if params.method == "auto" and encoder().unknown_share(known.of(mine).texts[:500]) > MOST_UNKNOWN:
        return params.with_share(script, 0.0), logits
    report(stage=f"encoding {script}", progress=0.2)
    shares = {"auto": SHARES, "vectors": (1.0,), "both": SHARES[1:-1]}[params.method]
    plain = logits[theirs]
    asked = later.of(theirs)
    chosen, best = 0.0, _loss(plain, classes, asked.labels) * (1 - LEAST_GAIN)
    if params.method != "auto":
        best = np.inf
    mixed, strength = plain, params.vector_c
    for c in (params.vector_c,) if params.vector_c else VECTOR_CS:
        head, used = _vector_head(known.of(mine), c, encoder)
        if head.classes != classes:
            return params.with_share(script, 0.0), logits
        of_vectors = head.logits(used.encode(asked.texts, remember=True))
        for share in shares:
            trial = (1 - share) * plain + share * of_vectors
            if (loss := _loss(trial, classes, asked.labels)) < best:
                chosen, best, mixed, strength = share, loss, trial, c
    logits = logits.copy()
    logits[theirs] = mixed
    return replace(params.with_share(script, chosen), vector_c=strength), logits


def _ngram_head(cells: Any, labels: Sequence[str], c: float, temperature: float = 1.0) -> LinearClassifier:
    """A support vector machine, which does better than a logistic regression on as many features as texts have."""
    head = linear.fit(cells, labels, c=c, loss="squared_hinge")
    by = np.float32(temperature)
    return replace(head, weights=head.weights / by, bias=head.bias / by)


def _vector_head(known: Texts, c: float, encoder: Callable[[], TextEncoder]) -> tuple[LinearClassifier, TextEncoder]:
    if len(known.texts) > MOST_ENCODED:
        known = known.of(np.linspace(0, len(known.texts) - 1, MOST_ENCODED).astype(np.int64))
    used = encoder()
    return linear.fit(used.encode(known.texts, remember=True), known.labels, c=c), used


def _filled(params: ClassifierParams) -> ClassifierParams:
    """Without a validation frame what is open gets its usual value."""
    usual = {"auto": 0.0, "tfidf": 0.0, "both": 0.5, "vectors": 1.0}[params.method]
    words = usual if params.words_share is None else params.words_share
    characters = usual if params.characters_share is None else params.characters_share
    if params.method == "tfidf":
        words = characters = 0.0
    return replace(
        params,
        c=params.c or CS[1],
        ngram_temperature=params.ngram_temperature or USUAL_TEMPERATURE,
        vector_c=params.vector_c or VECTOR_CS[0],
        words_share=words,
        characters_share=characters,
        temperature=params.temperature or 1.0,
    )


def _times(cells: Cells, head: LinearClassifier) -> Floats:
    return cells.times(head.weights) + head.bias


def _loss(logits: Floats, classes: tuple[str, ...], labels: Sequence[str]) -> float:
    """Log-loss at the temperature that suits the logits best: how well they tell, however sure they sound."""
    places = {name: place for place, name in enumerate(classes)}
    known = np.array([label in places for label in labels], bool)
    if not known.any():
        return 0.0
    truth = np.array([places[label] for label in labels if label in places])
    tempered = linear.softmax(logits[known] / linear.best_temperature(logits[known], truth))
    return float(-np.log(np.maximum(tempered[np.arange(len(truth)), truth], 1e-12)).mean())


def _temperature(logits: Floats, classes: tuple[str, ...], labels: Sequence[str], usual: float = 1.0) -> float:
    places = {name: place for place, name in enumerate(classes)}
    known = np.array([label in places for label in labels], bool)
    if known.sum() < LEAST_OF_SCRIPT:  # on a handful of rows the likeliest temperature is the coldest
        return usual
    return linear.best_temperature(logits[known], np.array([places[each] for each in labels if each in places]))
