"""The learner on files: what it learns, how it says that it does not know, and what bad input is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from commerce_ai.lab import LabError, fit, predict
from commerce_ai.learning.learner import NotEnoughData, Silent
from plugins.support import features, intents
from plugins.support.learner import IntentLearner, IntentParams
from tests.support.conftest import questions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lab") / "out"
    fit("support.intent", {"texts": pl.concat([questions()] * 2)}, artifact=out)
    return out


def test_the_lab_answers_rows_in_their_order_with_everything_they_came_with(folder: Path) -> None:
    asked = pl.DataFrame(
        {
            "ticket": [7, 3, 9],
            "text": [
                "where is order O-10007, it has not arrived",
                "can a human help me please",
                "I want my money back",
            ],
        }
    )
    answered = predict(folder, {"texts": asked})
    assert answered["ticket"].to_list() == [7, 3, 9]
    assert answered["intent"].to_list()[:2] == ["where_is_my_order", "talk_to_a_person"]
    assert answered["confidence"].is_between(0, 1).all()


def test_what_nobody_asks_a_shop_is_odder_than_what_they_do(folder: Path) -> None:
    known = questions()["text"].to_list()
    strange = [
        "what is the capital of mongolia", "write me a poem about the sea", "how tall is mount everest",
        "translate good morning into finnish", "who won the world cup in 1974",
    ]  # fmt: skip
    scores = predict(folder, {"texts": pl.DataFrame({"text": known + strange})})["out_of_scope_score"].to_numpy()
    assert np.median(scores[len(known) :]) > np.quantile(scores[: len(known)], 0.9)


def test_a_missing_column_is_named(folder: Path) -> None:
    with pytest.raises(LabError, match="'text'"):
        predict(folder, {"texts": pl.DataFrame({"words": ["hello"]})})


def test_an_encoder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    questions().write_csv(tmp_path / "texts.csv")
    with pytest.raises(CommandError) as said:
        call_command(
            "lab", "fit", "support.intent", "--input", f"texts={tmp_path}/texts.csv", "--artifact",
            str(tmp_path / "out"), "--set", "encoder=/nonexistent",
        )  # fmt: skip
    assert said.value.returncode == 2
    assert str(said.value) == "the text encoder '/nonexistent' can't be loaded: there is no such folder"
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match="empty' can't be loaded") as wrong:
        fit(
            "support.intent", {"texts": questions()}, artifact=tmp_path / "out",
            params={"encoder": str(tmp_path / "empty")},
        )  # fmt: skip
    assert "\n" not in str(wrong.value)


def test_too_few_texts_say_what_is_missing() -> None:
    learner = IntentLearner()
    few = pl.DataFrame({"text": ["a", "b"], "intent": ["x", "y"]})
    with pytest.raises(NotEnoughData, match="needs at least 50 labelled texts.*; there are 2 texts of 2 intents"):
        learner.split({"texts": few})


def test_the_same_question_is_never_on_both_sides() -> None:
    twice = pl.concat([questions()] * 3)
    split = IntentLearner().split({"texts": twice})
    sides = [set(part["texts"]["text"]) for part in (split.train, split.validation, split.test)]
    assert not sides[0] & sides[2] and not sides[0] & sides[1] and not sides[1] & sides[2]


def test_the_ridge_is_chosen_where_there_is_something_to_choose_on() -> None:
    rows = questions().with_row_index()
    held = rows.filter(pl.col("index") % 4 == 0).drop("index")
    fitted = IntentLearner().fit(
        {"texts": rows.filter(pl.col("index") % 4 > 0).drop("index")}, IntentParams(), Silent(),
        validation={"texts": held},
    )  # fmt: skip
    assert fitted.params.c in (0.0, 1.0, 5.0, 10.0, 20.0)
    assert len(fitted.intents.known) == rows.height  # validation is learned from as well


def test_without_a_ridge_the_nearest_mean_answers_with_probabilities() -> None:
    vectors, labels, _rng = four_kinds()
    found = intents.fit(vectors, labels, c=0.0)
    chances = found.probabilities(vectors)
    assert (chances.argmax(axis=1) == found.nearest_centroid(vectors)).all()
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-5) and chances.max(axis=1).mean() > 0.8
    assert np.isfinite(found.oddness(vectors)).all()


def four_kinds() -> tuple[np.ndarray, list[str], np.random.Generator]:
    """200 unit vectors around four centres, with the names of these."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 16))
    vectors = np.concatenate([each + 0.1 * rng.normal(size=(50, 16)) for each in centres]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, [str(place) for place in np.repeat(range(4), 50)], rng


def test_oddness_is_the_share_of_held_out_texts() -> None:
    vectors, labels, rng = four_kinds()
    learned = intents.fit(vectors, labels, c=10.0)
    assert learned.oddness(vectors).mean() < 0.7
    away = rng.normal(size=(50, 16)).astype(np.float32)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    assert np.median(learned.oddness(away)) == 1.0


def test_what_tells_customers_apart_is_masked() -> None:
    cleaned = features.clean(
        "Mail ida.q@example.com about   DE-8831-4420 at https://x.example/a?b=1 or +49 170 5550199"
    )
    assert cleaned == "Mail e-mail about 0000 at link or +0000"
    assert features.numbers_in("my order #O-10007 and 55") == ["O-10007", "55"]
