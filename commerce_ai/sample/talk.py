"""What is said in and about the sample shop: reviews, mentions, talks with its support."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.goods import Goods
from commerce_ai.sample.people import People
from commerce_ai.sample.phrases import BAD, GOOD, MIXED, QUESTIONS

REVIEWED = 0.3  # of order lines
CHINESE = 0.25  # of reviews and mentions
TROUBLE_DAYS = 6  # in the last days parcels are late, and people say so
MENTIONS_A_DAY = 3.0
TALKS_A_DAY = 5.0
LABELLED = 0.7  # of talks were sorted by a person
SLIPS = 0.05  # of stars and of sorted talks are a slip: nobody's ratings suit their words each time
DAY_US = 86_400e6


@dataclass(frozen=True)
class Talk:
    """Frames; `customer`, `product`, `order` are row numbers. `intent` of a talk is null where nobody sorted it."""

    reviews: pl.DataFrame
    mentions: pl.DataFrame
    talks: pl.DataFrame

    def before(self, now: datetime) -> Talk:
        """Without what was said later."""
        return Talk(*(each.filter(pl.col("at") < now) for each in (self.reviews, self.mentions, self.talks)))


def make_talk(
    rng: np.random.Generator,
    goods: Goods,
    people: People,
    orders: pl.DataFrame,
    lines: pl.DataFrame,
    midnights: list[datetime],
) -> Talk:
    """Everything up to the last of `midnights`."""
    return Talk(
        _reviews(rng, goods, orders, lines, midnights),
        _mentions(rng, goods, midnights),
        _talks(rng, goods, people, orders, midnights),
    )


def say(rng: np.random.Generator, stars: int, language: str, late: bool = False) -> str:
    """One to three sentences that suit so many stars; `late`: the parcel was."""
    if stars == 3 and not late:
        return str(rng.choice(MIXED[language]))
    phrases = GOOD[language] if stars > 3 else BAD[language]
    topics = [str(each) for each in rng.choice(list(phrases), size=int(rng.integers(1, 4)), replace=False)]
    sentences = [str(rng.choice(phrases[topic])) for topic in topics]
    if late:
        sentences = [str(rng.choice(BAD[language]["delivery"])), *(s for t, s in zip(topics, sentences, strict=True) if t != "delivery")]  # fmt: skip  # noqa: E501
    return ("" if language == "zh" else " ").join(sentences)


def _reviews(
    rng: np.random.Generator, goods: Goods, orders: pl.DataFrame, lines: pl.DataFrame, midnights: list[datetime]
) -> pl.DataFrame:
    """Some days after the order, if that day has come; better goods get more stars, late parcels fewer."""
    with_order = lines.join(
        orders.select(pl.int_range(pl.len()).alias("order"), "customer", "at"), on="order", maintain_order="left"
    )
    chosen = with_order.filter(pl.Series(rng.random(len(lines)) < REVIEWED) & pl.col("customer").is_not_null())
    n = len(chosen)
    delay = pl.Series((rng.gamma(4, 2, n) * DAY_US).astype(np.int64)).cast(pl.Duration("us"))
    at = chosen.select((pl.col("at") + delay).alias("at"))["at"]
    end = midnights[-1]
    late = (at > end - timedelta(days=TROUBLE_DAYS)).to_numpy() & (rng.random(n) < 0.45)
    stars = np.clip(np.round(3.8 + 0.8 * goods.quality[chosen["product"].to_numpy()] + rng.normal(0, 1.0, n)), 1, 5)
    stars = np.where(late, rng.integers(1, 3, n), stars).astype(np.int64)
    language = np.where(rng.random(n) < CHINESE, "zh", "en").tolist()
    texts = [say(rng, s, way, bool(is_late)) for s, way, is_late in zip(stars.tolist(), language, late, strict=True)]
    stars = np.where(rng.random(n) < SLIPS, rng.integers(1, 6, n), stars)
    return (
        chosen.select(
            "customer",
            "product",
            "order",
            pl.Series("rating", stars),
            pl.Series("text", texts, pl.String),
            pl.Series("language", language, pl.String),
            at,
        )
        .filter(pl.col("at") < pl.lit(end, pl.Datetime("us", "UTC")))
        .with_columns(pl.format("R-{}", pl.int_range(pl.len()) + 1).alias("external_id"))
    )


def _mentions(rng: np.random.Generator, goods: Goods, midnights: list[datetime]) -> pl.DataFrame:
    days = len(midnights) - 1
    n = int(rng.poisson(MENTIONS_A_DAY * days))
    at = _instants(rng, n, midnights)
    stars = rng.choice([1, 2, 3, 4, 5], n, p=[0.12, 0.1, 0.13, 0.25, 0.4])
    language = np.where(rng.random(n) < CHINESE, "zh", "en").tolist()
    brands = sorted(set(goods.products["brand"].to_list()))
    return pl.DataFrame(
        {
            "external_id": [f"M-{each + 1}" for each in range(n)],
            "platform": rng.choice(["forum", "microblog", "news"], n, p=[0.3, 0.6, 0.1]).tolist(),
            "text": [say(rng, s, way) for s, way in zip(stars.tolist(), language, strict=True)],
            "language": language,
            "brand": [brands[each] for each in rng.integers(0, len(brands), n).tolist()],
            "reach": rng.integers(20, 5000, n),
            "at": at,
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )


def _talks(
    rng: np.random.Generator, goods: Goods, people: People, orders: pl.DataFrame, midnights: list[datetime]
) -> pl.DataFrame:
    """One question a talk: customer, order, text, intent (the truth), labelled, answered, at."""
    days = len(midnights) - 1
    n = int(rng.poisson(TALKS_A_DAY * days)) if len(orders) else 0
    order = rng.integers(0, max(len(orders), 1), n)
    intents = list(QUESTIONS)
    intent = [intents[each] for each in rng.integers(0, len(intents), n).tolist()]
    numbers, titles = orders["external_id"].to_list(), goods.products["title"].to_list()
    product = rng.integers(0, len(titles), n).tolist()
    # A question about an order comes after it.
    asked = orders["at"].gather(order) if n else pl.Series("at", [], pl.Datetime("us", "UTC"))
    after = pl.Series((rng.gamma(2, 2, n) * DAY_US).astype(np.int64)).cast(pl.Duration("us"))
    text = [
        str(rng.choice(QUESTIONS[kind])).format(order=numbers[which], product=titles[what].split(",")[0].lower())
        for kind, which, what in zip(intent, order.tolist(), product, strict=True)
    ]
    slips = rng.random(n) < SLIPS
    intent = [str(rng.choice(intents)) if slip else each for each, slip in zip(intent, slips.tolist(), strict=True)]
    frame = pl.DataFrame(
        {
            "order": order,
            "customer": orders["customer"].gather(order) if n else pl.Series([], dtype=pl.Int64),
            "text": pl.Series(text, dtype=pl.String),
            "intent": pl.Series(intent, dtype=pl.String),
            "labelled": rng.random(n) < LABELLED,
            "at": (asked + after).cast(pl.Datetime("us", "UTC")),
        }
    )
    end = pl.lit(midnights[-1], pl.Datetime("us", "UTC"))
    return frame.filter(pl.col("at") < end).with_columns(
        pl.format("T-{}", pl.int_range(pl.len()) + 1).alias("external_id"),
        (pl.col("at") < end - timedelta(days=1)).alias("answered"),
    )


def _instants(rng: np.random.Generator, n: int, midnights: list[datetime]) -> list[datetime]:
    span = (midnights[-1] - midnights[0]).total_seconds()
    return [midnights[0] + timedelta(seconds=each) for each in np.sort(rng.random(n) * span).tolist()]
