"""Hyper-parameters from text and JSON: typed, bounded, and clear about what does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from commerce_ai.learning.params import ParamError, describe_params, params_json, read_params


@dataclass(frozen=True)
class Params:
    epochs: Annotated[int, Meta(ge=1, le=100, description="Rounds.")] = 10
    method: Annotated[Literal["auto", "fast"], Meta(description="How.")] = "auto"
    rate: float | None = None
    keep: bool = True
    widths: tuple[int, ...] = (8, 4)
    note: str = field(default="", metadata={"doc": "Anything."})


@dataclass(frozen=True)
class Needy:
    path: str


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"epochs": "3"}, Params(epochs=3)),
        ({"epochs": 3}, Params(epochs=3)),
        ({"rate": "0.5"}, Params(rate=0.5)),
        ({"rate": "null"}, Params(rate=None)),
        ({"keep": "false"}, Params(keep=False)),
        ({"widths": "16,2"}, Params(widths=(16, 2))),
        ({"widths": [16, 2]}, Params(widths=(16, 2))),
        ({"method": "fast", "note": "a=b"}, Params(method="fast", note="a=b")),
        ({}, Params()),
    ],
)
def test_text_and_json_become_typed(said, expected):
    assert read_params(Params, said) == expected


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("epoch", 1, "did you mean 'epochs'"),
        ("zzz", 1, "There are: epochs, method"),
        ("epochs", "three", "a whole number at least 1 and at most 100"),
        ("epochs", 0, "at least 1"),
        ("epochs", "2.5", "a whole number"),
        ("method", "slow", "one of auto, fast"),
        ("keep", "perhaps", "true or false"),
        ("rate", "nan", "a number, or null"),
        ("rate", "inf", "a number, or null"),
        ("widths", "a,b", "each a whole number"),
    ],
)
def test_what_does_not_fit_names_the_parameter_and_its_choices(name, value, words):
    with pytest.raises(ParamError, match=words) as caught:
        read_params(Params, {name: value})
    assert caught.value.name == name


def test_a_parameter_without_default_must_be_given():
    with pytest.raises(ParamError, match="'path' must be given"):
        read_params(Needy, {})
    assert read_params(Needy, {"path": "x"}) == Needy("x")


def test_json_and_back():
    params = Params(epochs=7, rate=0.25, widths=(1, 2))
    assert read_params(Params, params_json(params)) == params
    assert params_json(None) == {}


def test_parameters_describe_themselves():
    described = {each.name: each for each in describe_params(Params)}
    assert described["epochs"].doc == "Rounds." and described["note"].doc == "Anything."
    assert described["method"].default == "auto"
