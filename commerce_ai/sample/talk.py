"""What is said in and about the sample shop: reviews, mentions, talks with its support."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.goods import Goods
from commerce_ai.sample.people import People
from commerce_ai.sample.phrases import BAD, GOOD, MIXED, QUESTIONS

REVIEWED = 0.3  # of order lines
CHINESE = 0.25  # of reviews and mentions
TROUBLE_DAYS = 6  # in the last days parcels are late, and people say so
BATCH_DAYS, HEARD_DAYS = 14, 2  # a category sold a bad batch since then, and in the last two days people say so
SPOILT = 0.5  # of the batch
BATCH_MENTIONS = 8
MENTIONS_A_DAY = 3.0
TALKS_A_DAY = 5.0
LABELLED = 0.7  # of talks were sorted by a person
SLIPS = 0.05  # of stars and of sorted talks are a slip: nobody's ratings suit their words each time
DAY_US = 86_400e6
_INSTANT = pl.Datetime("us", "UTC")
_MENTION = {
    "platform": pl.String(), "text": pl.String(), "language": pl.String(), "brand": pl.String(), "reach": pl.Int64(),
    "at": _INSTANT,
}  # fmt: skip


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
    said = Talk(
        _reviews(rng, goods, orders, lines, midnights),
        _mentions(rng, goods, midnights),
        _talks(rng, goods, people, orders, midnights),
    )
    # Drawn last, so that all else is as it would be without it.
    complaints, rumours = _bad_batch(rng, goods, orders, lines, said.reviews, midnights[-1])
    return replace(
        said, reviews=_numbered([said.reviews, complaints], "R"), mentions=_numbered([said.mentions, rumours], "M")
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
    return chosen.select(
        "customer",
        "product",
        "order",
        pl.Series("rating", stars),
        pl.Series("text", texts, pl.String),
        pl.Series("language", language, pl.String),
        at,
    ).filter(pl.col("at") < pl.lit(end, pl.Datetime("us", "UTC")))


def _mentions(rng: np.random.Generator, goods: Goods, midnights: list[datetime]) -> pl.DataFrame:
    days = len(midnights) - 1
    n = int(rng.poisson(MENTIONS_A_DAY * days))
    at = _instants(rng, n, midnights)
    stars = rng.choice([1, 2, 3, 4, 5], n, p=[0.12, 0.1, 0.13, 0.25, 0.4])
    language = np.where(rng.random(n) < CHINESE, "zh", "en").tolist()
    brands = sorted(set(goods.products["brand"].to_list()))
    return pl.DataFrame(
        {
            "platform": rng.choice(["forum", "microblog", "news"], n, p=[0.3, 0.6, 0.1]).tolist(),
            "text": [say(rng, s, way) for s, way in zip(stars.tolist(), language, strict=True)],
            "language": language,
            "brand": [brands[each] for each in rng.integers(0, len(brands), n).tolist()],
            "reach": rng.integers(20, 5000, n),
            "at": at,
        },
        schema=_MENTION,
    )


def _bad_batch(
    rng: np.random.Generator,
    goods: Goods,
    orders: pl.DataFrame,
    lines: pl.DataFrame,
    reviews: pl.DataFrame,
    end: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reviews and mentions of the last days about what the busiest category sold in the days before them."""
    first, heard = (pl.lit(end - timedelta(days=days), _INSTANT) for days in (BATCH_DAYS, HEARD_DAYS))
    sold = lines.join(orders.select(pl.int_range(pl.len()).alias("order"), "customer", "at"), on="order")
    sold = sold.filter(pl.col("at").is_between(first, heard) & pl.col("customer").is_not_null())
    sold = sold.join(reviews, on=["order", "product"], how="anti").sort("order", "product")
    shelf = pl.Series("shelf", goods.products["category"].gather(sold["product"]), pl.String)
    busiest = shelf.value_counts().sort("count", "shelf", descending=[True, False])["shelf"].head(1)
    spoilt = sold.filter(shelf.is_in(busiest.implode()) & pl.Series(rng.random(len(sold)) < SPOILT))
    brands = goods.products["brand"].gather(spoilt["product"].head(BATCH_MENTIONS))
    n, told = len(spoilt), len(brands)
    language = np.where(rng.random(n + told) < CHINESE, "zh", "en").tolist()
    texts = [_complaint(rng, way) for way in language]
    seconds = rng.random(n + told) * HEARD_DAYS * 86_400
    at = pl.Series([end - timedelta(seconds=max(1.0, each)) for each in seconds.tolist()], dtype=_INSTANT)
    complaints = spoilt.select(
        "customer",
        "product",
        "order",
        pl.Series("rating", rng.integers(1, 3, n)),
        pl.Series("text", texts[:n], pl.String),
        pl.Series("language", language[:n], pl.String),
        at.head(n).alias("at"),
    )
    rumours = pl.DataFrame(
        {
            "platform": rng.choice(["forum", "microblog"], told).tolist(),
            "text": texts[n:],
            "language": language[n:],
            "brand": brands,
            "reach": rng.integers(200, 20_000, told),
            "at": at.tail(told) if told else [],
        },
        schema=_MENTION,
    )
    return complaints, rumours


def _complaint(rng: np.random.Generator, language: str) -> str:
    """What is said of something that does not last."""
    sentences = [str(rng.choice(BAD[language]["quality"]))]
    if rng.random() < 0.5:
        sentences.append(str(rng.choice(BAD[language][""])))
    return ("" if language == "zh" else " ").join(sentences)


def _numbered(parts: list[pl.DataFrame], letter: str) -> pl.DataFrame:
    """All of them, oldest first, each with its name."""
    rows = pl.concat(parts).sort("at", maintain_order=True)
    return rows.with_columns(pl.format(f"{letter}-{{}}", pl.int_range(pl.len()) + 1).alias("external_id"))


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
