"""Which origins a pattern lets in, and which look alike and are not."""

from __future__ import annotations

import pytest

from commerce_ai.api.origins import is_allowed


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("https://shop.example", "https://shop.example", True),
        ("https://shop.example/", "https://shop.example", True),
        ("https://Shop.Example", "https://shop.example", True),
        ("https://shop.example", "https://shop.example:8443", False),
        ("https://shop.example", "https://shopxexample", False),
        ("https://shop.example", "https://a.shop.example", False),
        ("https://*.shop.example", "https://a.b.shop.example", True),
        ("https://*.shop.example", "https://shop.example", False),
        ("https://*.shop.example", "https://evilshop.example", False),
        ("https://*.shop.example", "https://evil.example/.shop.example", False),
        ("https://*.shop.example", "https://evil.example#.shop.example", False),
        ("https://*.shop.example", "https://evil.example\n.shop.example", False),
        ("http://localhost:*", "http://localhost:5173", True),
        ("http://localhost:*", "http://localhost", True),
        ("http://localhost:*", "http://localhost.evil.example", False),
        ("http://localhost:*", "http://localhost:80.evil.example", False),
        ("*", "null", True),
        ("", "", True),
        ("", "https://shop.example", False),
    ],
)
def test_patterns(allowed: str, origin: str, expected: bool) -> None:
    assert is_allowed(origin, (allowed,)) is expected


def test_no_origins_allow_none() -> None:
    assert not is_allowed("https://shop.example", ())
