"""Topics are found by whole words, by stems, and within Chinese; a bad list names its line."""

from __future__ import annotations

import pytest

from plugins.sentiment.forms import SettingsForm
from plugins.sentiment.topics import DEFAULT, BadTaxonomy, taxonomy_of


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("It arrived two weeks LATE.", ("delivery",)),
        ("The translated latest manual", ()),  # neither "late" nor any other stands there as a word
        ("Boxes were crushed, money  back please", ("packaging", "returns")),
        ("物流很快，质量也不错", ("delivery", "quality")),
        ("", ()),
    ],
)
def test_the_default_list_finds(text: str, topics: tuple[str, ...]) -> None:
    assert taxonomy_of("packaging: box*\n" + DEFAULT.replace("packaging: ", "wrapping: ")).find(text) == tuple(
        sorted(topics, key=lambda each: each != "packaging")
    )


@pytest.mark.parametrize(
    ("lines", "line"),
    [("delivery late", 1), ("# ok\n\na: b\na: c", 4), ("a: *", 1), (": late", 1), ("a:", 1), ("a=b: c", 1)],
)
def test_a_bad_list_names_its_line(lines: str, line: int) -> None:
    with pytest.raises(BadTaxonomy) as caught:
        taxonomy_of(lines)
    assert caught.value.line == line
    form = SettingsForm(data={"topics": lines, "false_alarms_a_year": 4})
    assert not form.is_valid() and f"line {line}" in str(form.errors["topics"])


def test_a_list_of_the_shops_own_in_its_order() -> None:
    taxonomy = taxonomy_of("taste: sour, sweet\n# a remark\n\nTexture: crunch*, 口感")
    assert taxonomy.names == ("taste", "texture")
    assert taxonomy.find("Crunchy and sweet") == ("taste", "texture") and taxonomy.find("口感很好") == ("texture",)
