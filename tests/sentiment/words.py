"""Small texts with a known feeling: reviews as a shop has them, in English and Chinese."""

from __future__ import annotations

import numpy as np
import polars as pl

GOOD = ["great quality", "fits perfectly", "love this colour", "fast delivery", "really helpful staff", "worth it"]
BAD = ["broke after a day", "arrived late", "too small", "terrible quality", "rude support", "waste of money"]
PLAIN = ["bought it in march", "for my sister", "the blue one", "second order here", "used it at home", "as a gift"]
GOOD_ZH = ["质量很好", "物流很快", "非常满意", "颜色漂亮"]
BAD_ZH = ["质量太差", "物流太慢", "非常失望", "包装破了"]


def text(rng: np.random.Generator, good: bool, chinese: bool = False) -> str:
    """One text; one in ten of its phrases is of the other kind."""
    mine, others = (GOOD_ZH, BAD_ZH) if chinese else (GOOD, BAD)
    if not good:
        mine, others = others, mine
    phrases = [str(rng.choice(mine if rng.random() < 0.9 else others)) for _ in range(2)]
    if chinese:
        return "，".join([*phrases, f"第{rng.integers(1000)}次买"])
    return ", ".join([*phrases, str(rng.choice(PLAIN)), f"number {rng.integers(1000)}"]) + "."


def frame(rows: int = 240, chinese: float = 0.3, seed: int = 0) -> pl.DataFrame:
    """The frame `texts` of the lab."""
    rng = np.random.default_rng(seed)
    feelings = rng.random(rows) < 0.6
    return pl.DataFrame(
        {
            "text": [text(rng, bool(good), bool(rng.random() < chinese)) for good in feelings],
            "label": ["positive" if good else "negative" for good in feelings],
        }
    )
