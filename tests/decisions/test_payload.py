"""The payload is one form for all plugins and comes back from JSON as it went in."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.decisions.payload import Item, Payload, read

texts = st.text(max_size=20)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
items = st.builds(
    Item, product_id=texts, id=st.integers(0, 2**62), position=st.integers(1, 100), source=texts, propensity=numbers,
    score=numbers, reasons=st.lists(texts, max_size=3),
)  # fmt: skip
values = st.none() | st.booleans() | st.integers(-(2**50), 2**50) | texts


@given(
    st.builds(
        Payload, items=st.lists(items, max_size=4), value=values, context=st.dictionaries(texts, values, max_size=3)
    )
)
def test_it_comes_back_from_json(payload: Payload) -> None:
    assert read(msgspec.json.decode(msgspec.json.encode(payload))) == payload


def test_an_empty_one_takes_no_room() -> None:
    assert msgspec.json.encode(Payload()) == b"{}"


def test_what_is_none_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        read({"items": [{"product_id": "A"}]})
