"""What a text speaks of: topics from a list that the shop can edit, found by their words.

A line is ``delivery: late, courier, 物流``. A word is found whole (``batter*`` finds batteries, too), several as they
follow each other, and what is written without spaces (Chinese) wherever it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from plugins.sentiment.features import CHARACTERS, MOST_CHARACTERS, script_of

MOST_TOPICS, MOST_WORDS = 30, 100

DEFAULT = """\
delivery: deliver*, shipping, shipped, shipment, arriv*, courier, parcel, late, 物流, 快递, 发货, 送货, 到货
packaging: packag*, box, boxed, wrapped, wrapping, 包装, 盒子
quality: quality, broke*, break, defect*, faulty, durable, sturdy, flimsy, cheaply made, 质量, 做工, 坏了, 瑕疵
price: price*, expensive, cheap, overpriced, value for money, worth, bargain, 价格, 便宜, 贵, 性价比, 实惠
size and fit: size*, fit, fits, fitted, too small, too big, too large, tight, loose, 尺寸, 尺码, 大小, 合身, 偏大, 偏小
service: service, support, staff, rude, helpful, customer care, 客服, 服务, 态度, 售后
returns: return*, refund*, exchange*, money back, 退货, 退款, 换货
looks: look, looks, colour*, color*, design, beautiful, ugly, pictured, 颜色, 外观, 好看, 款式, 漂亮
"""

_NAME = re.compile(r"[^,:=*\n]{1,60}")


class BadTaxonomy(ValueError):
    """A line is not ``topic: word, word``; `line` (from 1) and the message say which and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason


@dataclass(frozen=True)
class Taxonomy:
    """Topics in their order, each with the pattern that finds it."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.patterns)

    def find(self, text: str) -> tuple[str, ...]:
        """The topics that a text speaks of, in the taxonomy's order."""
        lowered = text[:MOST_CHARACTERS].lower()
        return tuple(name for name, pattern in self.patterns if pattern.search(lowered))


@lru_cache(maxsize=64)
def taxonomy_of(lines: str) -> Taxonomy:
    """The taxonomy in `lines`; empty lines and those that start with # are passed over. Raises `BadTaxonomy`."""
    patterns: dict[str, re.Pattern[str]] = {}
    for number, line in enumerate(lines.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        name, words = name.strip().lower(), [each.strip().lower() for each in rest.split(",") if each.strip()]
        if not colon or not words:
            raise BadTaxonomy(number, "it needs a topic, a colon and words")
        if not _NAME.fullmatch(name):
            raise BadTaxonomy(number, "the topic's name has 1 to 60 characters and none of , : = *")
        if name in patterns:
            raise BadTaxonomy(number, f"the topic {name!r} stands there twice")
        if len(words) > MOST_WORDS or any(not each.strip("* ") for each in words):
            raise BadTaxonomy(number, f"a topic has at most {MOST_WORDS} words, and * alone is none")
        patterns[name] = re.compile("|".join(map(_pattern, words)))
    if len(patterns) > MOST_TOPICS:
        raise BadTaxonomy(len(lines.splitlines()), f"there are more than {MOST_TOPICS} topics")
    return Taxonomy(tuple(patterns.items()))


def _pattern(word: str) -> str:
    stem = word.rstrip("*").strip()
    found = r"\s+".join(re.escape(part) for part in stem.split())
    if script_of(stem) == CHARACTERS:
        return found
    return rf"\b{found}\w*" if word.endswith("*") else rf"\b{found}\b"
