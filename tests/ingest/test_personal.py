"""The quick look at the bytes finds all that the thorough one cuts, wherever it stands, and nothing else is changed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.ingest import personal

_DIGIT = st.sampled_from("0123456789")
_DIGITS = st.integers(2, 9).flatmap(lambda most: st.text(_DIGIT, min_size=2, max_size=most))
_PIECES = st.one_of(
    st.sampled_from(["+", "00", "0049", "(", ")", "-", ".", "/", ":", "::", " ", "\n", "\xa0", ",", "@", "%40", "a@b.example",
                     "203.0.113.7", "2001:db8::7", "fe80:0:0:0:1:2:3:4", "555-123-4567", "(555) 123-4567", "Chrome/120.0.0.0",
                     "https://www.shop.example/a-b/7", "-2.5", "100.00", "2026-01-05T10:00:00Z", "Tel:0049 170 1234567"]),
    _DIGITS, st.text("abfgxyzäß质é \"\\_'<{[]}", max_size=4),
)  # fmt: skip
TEXTS = st.lists(_PIECES, max_size=8).map("".join)
LEAVES = TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
KEYS = st.sampled_from(["product_id", "name", "note", "price", "email", "customer", "x_y", "url"]) | TEXTS


@given(TEXTS)
def test_no_shape_escapes_the_quick_look(text: str) -> None:
    for value in (text, {"note": text}, {"a": ["b", {"c": text}]}):
        if personal.clean(value) != value:
            assert personal.may_have_shape(msgspec.json.encode(value))


@given(
    st.dictionaries(KEYS, LEAVES | st.dictionaries(KEYS, LEAVES, max_size=2) | st.lists(LEAVES, max_size=2), max_size=5)
)
def test_what_is_encoded_is_what_is_cleaned(properties: dict[str, Any]) -> None:
    for encode, names in (
        (personal.encode_properties, personal._anywhere),
        (personal.encode_traits, personal._among_traits),
    ):
        clean = personal._clean(properties, names, personal.DEEPEST)
        assert msgspec.json.decode(encode(properties)) == msgspec.json.decode(msgspec.json.encode(clean))


@pytest.mark.parametrize(
    "text", ["Tel:0049 170 1234567", "001 555\xa01234567", "at 0049/170/1234567", "x,0049\n1701234567", "(0049 170 1234567"]
)  # fmt: skip
def test_a_number_after_any_sign_is_cut(text: str) -> None:
    assert personal.clean_text(text) != text
    assert b"4567" not in personal.encode_properties({"note": text}) + personal.encode_traits({"note": text})


@pytest.mark.parametrize(
    "properties",
    [
        {"product_id": "p534", "sku": "SKU-00534", "price": 18.99, "url": "https://shop.example/products/534"},
        {"name": "Mug, 100.00 ml", "at": "2026-01-05", "version": "Chrome/120.0.0.0", "discount": -0.5},
        {"products": [{"sku": "00123", "name": "a:b"}], "total": 1e300},
    ],
)
def test_what_is_clean_stays_as_it_is(properties: dict[str, Any]) -> None:
    assert personal.encode_properties(properties) == msgspec.json.encode(properties)
