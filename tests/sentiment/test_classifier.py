"""What the learner makes of texts: it beats its baseline where it can, says why, and answers from files alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from commerce_ai import lab
from commerce_ai.learning.learner import NotEnoughData, Silent
from plugins.sentiment.classifier import ClassifierParams, SentimentModel
from plugins.sentiment.features import CHARACTERS, WORDS, grams
from plugins.sentiment.learner import ASKED, TEXTS, SentimentLearner, texts_of
from tests.sentiment import words

LEARNER = SentimentLearner()


def fit(
    rows: int = 240, params: ClassifierParams | None = None, validation: pl.DataFrame | None = None
) -> SentimentModel:
    later = None if validation is None else {"texts": validation}
    return LEARNER.fit({"texts": words.frame(rows)}, params or ClassifierParams(method="tfidf"), Silent(), later)


def accuracy(model: SentimentModel, rows: pl.DataFrame) -> float:
    return LEARNER.evaluate(model, {"texts": rows}).metrics["accuracy"]


def test_it_tells_feelings_apart_in_both_scripts() -> None:
    model, later = fit(), words.frame(200, seed=1)
    for chinese in (False, True):
        mine = later.filter(pl.col("text").str.contains("[一-鿿]") == chinese)
        assert accuracy(model, mine) > 0.85, chinese


def test_reasons_are_words_of_the_text_that_speak_for_its_label() -> None:
    model = fit()
    said = model.speaking("It broke after a day, for my sister.", WORDS, "negative")
    assert said and said[0][0] in {"broke", "broke after", "after a", "after", "a day", "day"}
    assert [weight for _, weight in said] == sorted((weight for _, weight in said), reverse=True)
    assert "质" in "".join(name for name, _ in model.speaking("质量太差", CHARACTERS, "negative")) or "差" in "".join(
        name for name, _ in model.speaking("质量太差", CHARACTERS, "negative")
    )
    assert model.speaking("!!!", WORDS, "negative") == []


def test_choices_are_made_on_validation_and_kept_for_the_refit() -> None:
    model = fit(240, ClassifierParams(method="tfidf"), words.frame(120, seed=2))
    params = model.params
    assert params.c is not None and params.temperature is not None and params.temperature != 1.0
    again = LEARNER.fit({"texts": words.frame(240)}, params, Silent())
    assert again.params == params


def test_vectors_are_used_where_they_help_and_only_there(exported_encoder: Path, tmp_path: Path) -> None:
    """Words that training never saw: an encoder knows that they mean the same, n-grams can't."""
    rng = np.random.default_rng(3)
    seen = {"positive": ["excellent", "wonderful", "superb"], "negative": ["awful", "terrible", "horrible"]}
    unseen = {"positive": ["fantastic", "brilliant", "delightful"], "negative": ["dreadful", "atrocious", "disgusting"]}
    last = {"positive": ["marvellous", "outstanding", "lovely"], "negative": ["lousy", "appalling", "rubbish"]}

    def rows(of: dict[str, list[str]], count: int) -> pl.DataFrame:
        labels = rng.choice(["positive", "negative"], count)
        return pl.DataFrame({"text": [f"It was {rng.choice(of[each])} {n}" for n, each in enumerate(labels)],
                             "label": labels})  # fmt: skip

    chinese = words.frame(80, chinese=1.0)
    train, later, test = pl.concat([rows(seen, 80), chinese]), rows(unseen, 60), rows(last, 60)
    model = LEARNER.fit({"texts": train}, ClassifierParams(), Silent(), {"texts": pl.concat([later, chinese[:20]])})
    assert model.params.share(WORDS) > 0 and model.params.share(CHARACTERS) == 0
    LEARNER.save(model, tmp_path)
    loaded = LEARNER.load(tmp_path)
    result = LEARNER.evaluate(loaded, {"texts": test})
    assert result.metrics["accuracy"] > max(0.8, result.baseline["accuracy"])
    assert (tmp_path / "encoder.onnx").exists()


def test_an_artifact_of_ngrams_alone_carries_no_encoder_and_needs_no_scikit_learn(tmp_path: Path) -> None:
    LEARNER.save(fit(), tmp_path)
    assert not (tmp_path / "encoder.onnx").exists()
    program = f"""
import sys
from pathlib import Path
from plugins.sentiment import classifier
from plugins.sentiment.classifier import Texts
model = classifier.load(Path({str(tmp_path)!r}))
print(model.probabilities(Texts(["great quality"], ["words"])).argmax())
print(sorted(sys.modules.keys() & {{"sklearn", "scipy", "torch", "transformers"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1", "[]"]


def test_predict_keeps_rows_columns_and_order(tmp_path: Path) -> None:
    LEARNER.save(fit(), tmp_path)
    asked = ASKED.check(
        pl.DataFrame({"text": ["waste of money", "", "fits perfectly", "质量很好"], "id": [4, 3, 2, 1]}), "asked"
    )
    answer = LEARNER.predict(LEARNER.load(tmp_path), texts=asked)
    assert answer["id"].to_list() == [4, 3, 2, 1] and answer["text"].to_list() == asked["text"].to_list()
    assert answer["label"].to_list()[::2] == ["negative", "positive"] and answer["label"][3] == "positive"
    np.testing.assert_allclose(answer["p_negative"] + answer["p_positive"], 1, atol=1e-5)


def test_what_one_customer_repeats_is_in_no_artifact(tmp_path: Path) -> None:
    rows = words.frame(120, chinese=0.0).with_columns(pl.Series("writer", [f"c{n % 40}" for n in range(120)]))
    mine = pl.col("writer") == "c7"
    said = pl.when(mine).then(pl.col("text") + " zanzibar ferryman").otherwise(pl.col("text"))
    params = ClassifierParams(method="tfidf")
    for frame, learned in ((rows.with_columns(said), False), (rows.with_columns(said).drop("writer"), True)):
        train, later = frame[:90], frame[90:]
        model = LEARNER.fit({"texts": TEXTS.check(train, "t")}, params, Silent(), {"texts": TEXTS.check(later, "t")})
        folder = tmp_path / str(learned)
        folder.mkdir()
        LEARNER.save(model, folder)
        kept = LEARNER.load(folder).ngrams.places(grams("zanzibar ferryman", WORDS))
        assert (kept >= 0).tolist() == [learned] * 3


def test_any_labels_do_numbers_of_a_file_among_them() -> None:
    rows = words.frame(150).with_columns(
        pl.when(pl.col("label") == "positive").then(pl.lit(1)).otherwise(pl.lit(0)).alias("label")
    )
    model = LEARNER.fit({"texts": TEXTS.check(rows, "texts")}, ClassifierParams(method="tfidf"), Silent())
    assert model.classes == ("0", "1")
    three = pl.concat([words.frame(150), pl.DataFrame({"text": [f"so so {n}" for n in range(60)], "label": "neutral"})])
    model = LEARNER.fit({"texts": three}, ClassifierParams(method="tfidf"), Silent())
    assert model.probabilities(texts_of(pl.DataFrame({"text": ["so so 3"]}))).argmax() == model.classes.index("neutral")


def test_one_label_is_not_enough_and_says_so() -> None:
    with pytest.raises(NotEnoughData, match="needs at least 2 labels; there are 1 on"):
        LEARNER.fit({"texts": words.frame(50).filter(pl.col("label") == "positive")}, ClassifierParams(), Silent())
    with pytest.raises(NotEnoughData, match="0"):
        LEARNER.split({"texts": words.frame(50).clear()})


def test_the_lab_fits_and_predicts_from_files(tmp_path: Path) -> None:
    words.frame(300).write_csv(tmp_path / "texts.csv")
    fitted = lab.fit(
        "sentiment.classifier", {"texts": tmp_path / "texts.csv"}, artifact=tmp_path / "out",
        params={"method": "tfidf"},
    )  # fmt: skip
    assert fitted.metrics["accuracy"] > 0.8
    answer = lab.predict(tmp_path / "out", {"texts": pl.DataFrame({"text": ["broke after a day"], "n": [7]})})
    assert answer["label"].to_list() == ["negative"] and answer["n"].to_list() == [7]
    with pytest.raises(lab.LabError, match="label"):
        lab.fit("sentiment.classifier", {"texts": pl.DataFrame({"text": ["a"]})}, artifact=tmp_path / "bad")


def test_an_encoder_that_is_not_there_is_one_line(tmp_path: Path, settings: Any) -> None:
    settings.TEXT_ENCODER = "/nonexistent"
    with pytest.raises(lab.LabError, match="'/nonexistent' can't be loaded: there is no such folder"):
        lab.fit(
            "sentiment.classifier", {"texts": words.frame(150)}, artifact=tmp_path / "out",
            params={"method": "vectors"},
        )  # fmt: skip
