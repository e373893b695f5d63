"""N-grams as numbers say what n-grams as strings say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from plugins.sentiment import ngrams
from plugins.sentiment.features import CHARACTERS, SCRIPTS, WORDS, grams, script_of, surfaces, words_of
from tests.sentiment import words


@given(st.text(), st.sampled_from(SCRIPTS))
def test_a_gram_is_its_surface_in_every_text(text: str, script: str) -> None:
    found, names = grams(text, script), surfaces(text, script)
    assert len(found) == len(names)
    for number, name in zip(found[:20], names[:20], strict=True):
        alone = grams(name, script)
        assert number in alone  # the same letters are the same number wherever they stand


@given(st.lists(st.text(), max_size=8))
def test_rows_have_unit_length_or_are_empty(texts: list[str]) -> None:
    scripts = [script_of(each) for each in texts]
    known = ngrams.count(["a b c", "a b", "质量好", "质量差", *texts], [WORDS, WORDS, CHARACTERS, CHARACTERS, *scripts])
    made = ngrams.fit(known, ["x", "y", "x", "y", *("x" for _ in texts)], 1000)
    cells = made.cells(ngrams.count(texts, scripts))
    length = np.bincount(cells.row, cells.value.astype(float) ** 2, len(texts))
    assert all(each == pytest.approx(1, abs=1e-4) or each == 0 for each in length)


@pytest.mark.parametrize("script", SCRIPTS)
def test_tfidf_is_scikit_learns(script: str) -> None:
    texts = words.frame(80, chinese=float(script == CHARACTERS))["text"].to_list()
    texts = ["".join(each.split()) if script == CHARACTERS else each for each in texts]
    counts = ngrams.count(texts, [script] * len(texts))
    made = ngrams.fit(counts, ["x", "y"] * 40, 100_000)
    theirs = TfidfVectorizer(
        analyzer="char" if script == CHARACTERS else words_of,
        ngram_range=(1, 4) if script == CHARACTERS else (1, 1), min_df=2, sublinear_tf=True,
    )  # fmt: skip
    if script == WORDS:
        theirs.set_params(analyzer=lambda text: surfaces(text, WORDS))
    ours, matrix = made.tfidf(counts).matrix(), theirs.fit_transform(texts)
    assert ours.shape == matrix.shape
    np.testing.assert_allclose((ours @ ours.T).toarray(), (matrix @ matrix.T).toarray(), atol=1e-4)


def test_a_telling_ngram_weighs_more_than_a_common_one() -> None:
    texts = ["good thing", "good thing here", "bad thing", "bad thing there"]
    made = ngrams.fit(ngrams.count(texts, [WORDS] * 4), ["p", "p", "n", "n"], 100)
    weight = {name: made.telling[made.places(grams(name, WORDS))[0]] for name in ("good", "bad", "thing")}
    assert weight["good"] > 5 * weight["thing"] and weight["bad"] > 5 * weight["thing"]


def test_only_the_commonest_are_kept_and_come_back_from_files(tmp_path: Path) -> None:
    texts = ["a b", "a b", "a c", "a c", "a d", "a d", "a"]
    counts = ngrams.count(texts, [WORDS] * 7)
    made = ngrams.fit(counts, list("xyxyxyx"), 1)
    assert made.places(grams("a", WORDS)).tolist() == [0] and made.places(grams("b", WORDS)).tolist() == [-1]
    made.save(tmp_path)
    again = ngrams.load(tmp_path)
    np.testing.assert_array_equal(again.cells(counts).value, made.cells(counts).value)


def test_what_one_person_repeats_is_not_learned_and_what_two_say_is(tmp_path: Path) -> None:
    texts = ["my secret mug", "my secret mug again", "my secret cup", "my own cup", "another cup", "another jug"]
    counts = ngrams.count(texts, [WORDS] * 6)
    made = ngrams.fit(counts, list("xyxyxy"), 100, ["c1", "c1", "c1", "c2", None, None])
    made.save(tmp_path)
    kept = ngrams.load(tmp_path).places
    assert kept(grams("secret", WORDS)).tolist() == kept(grams("mug", WORDS)).tolist() == [-1]
    assert (kept(grams("my secret", WORDS)) == -1).tolist() == [False, True, True]
    assert all(kept(grams(each, WORDS))[0] >= 0 for each in ("my", "cup", "another"))  # of who is not known, too
    everybody = ngrams.fit(counts, list("xyxyxy"), 100)
    assert everybody.places(grams("secret", WORDS))[0] >= 0


@given(st.lists(st.tuples(st.text("ab ", max_size=8), st.integers(0, 3) | st.none()), min_size=2, max_size=12))
def test_an_ngram_is_kept_if_two_people_wrote_it(written: list[tuple[str, int | None]]) -> None:
    texts, writers = [text for text, _ in written], [who for _, who in written]
    made = ngrams.fit(ngrams.count(texts, [WORDS] * len(texts)), ["x"] * len(texts), 1000, writers)
    people: dict[int, set[object]] = {}
    for at, (text, who) in enumerate(written):
        for number in grams(text, WORDS).tolist():
            people.setdefault(number, set()).add(("nobody", at) if who is None else who)
    assert set(made.hashes.tolist()) == {number for number, of in people.items() if len(of) >= 2}


@pytest.mark.parametrize(
    ("text", "language", "script"),
    [
        ("The kettle leaks", None, WORDS),
        ("质量很好 iPhone 手机壳", None, CHARACTERS),
        ("I bought 茶 and it was great", None, WORDS),
        ("Der Kessel", "de", WORDS),
        ("hao", "zh-CN", CHARACTERS),
        ("", None, WORDS),
        ("12345 !!!", None, WORDS),
    ],
)
def test_scripts_are_told_by_language_or_letters(text: str, language: str | None, script: str) -> None:
    assert script_of(text, language) == script
