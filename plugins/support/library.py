"""A shop's articles with the vectors of their sentences, kept until an article or the live version changes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from plugins.support import features, queries, retrieval
from plugins.support.answers import Citation, Question


@dataclass(frozen=True)
class Passage:
    """Words of an article, and how near they are to what was asked.

    `on_topic`: whether the article is of one of the topics that were asked for; None where no article is, or none was.
    """

    nearness: float
    citation: Citation
    on_topic: bool | None


def find(
    shop_id: int, question: Question, version: Any, vector: Any, *, intent: Any = None, topics: Collection[str] = ()
) -> list[Passage]:
    """The nearest passage of the `topics` (lower case) first, then the nearest of all; none where nothing is shared.

    `vector` is the question's, `intent` the mean of what others asked who wanted the same.
    """
    shelf = _shelf(shop_id, version)
    articles = shelf.articles
    if not articles.ids:
        return []
    lexical = queries.found_by_words(shop_id, question.text, question.language, articles.ids)
    pairs = list(zip(articles.titles, articles.bodies, strict=True))
    wanted = {row for row, each in enumerate(articles.topics) if not each.isdisjoint(topics)}
    passages = []
    for rows in (wanted, None) if wanted else (None,):
        found = retrieval.choose(question.text, vector, pairs, shelf.vectors, lexical, intent=intent, rows=rows)
        if found is not None and found.quote:
            row = found.row
            cited = Citation(articles.external_ids[row], articles.titles[row], articles.urls[row], found.quote)
            passages.append(Passage(found.nearness, cited, row in wanted if wanted else None))
    return passages


@dataclass(frozen=True)
class _Shelf:
    articles: queries.Articles
    vectors: list[Any] | None


_shelves: dict[tuple[int, int | None], _Shelf] = {}
MOST_SHELVES = 4  # of one shop: versions on trial answer in turn with the live one


def _shelf(shop_id: int, version: Any) -> _Shelf:
    articles = queries.articles(shop_id)
    version_id = version.version_id if version else None
    held = _shelves.get((shop_id, version_id))
    if held is None or (held.articles.ids, held.articles.mark) != (articles.ids, articles.mark):
        held = _Shelf(articles, _vectors(articles, version) if version else None)
        _shelves.pop((shop_id, version_id), None)
        _shelves[shop_id, version_id] = held
        for each in [each for each in list(_shelves) if each[0] == shop_id][:-MOST_SHELVES]:
            _shelves.pop(each, None)
    return held


def _vectors(articles: queries.Articles, version: Any) -> list[Any]:
    encode = version.scorer.encoder.encode
    return [
        encode(features.clean_all(retrieval.sentences_of(title, body)))
        for title, body in zip(articles.titles, articles.bodies, strict=True)
    ]
