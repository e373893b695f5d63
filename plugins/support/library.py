"""A shop's articles with the vectors of their sentences, kept until an article or the live version changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plugins.support import features, queries, retrieval
from plugins.support.answers import Citation, Question


def find(shop_id: int, question: Question, version: Any, vector: Any) -> tuple[float, Citation] | None:
    """The nearest passage and how near it is; None where no article shares anything with the question."""
    shelf = _shelf(shop_id, version)
    articles = shelf.articles
    if not articles.ids:
        return None
    lexical = queries.found_by_words(shop_id, question.text, question.language, articles.ids)
    pairs = list(zip(articles.titles, articles.bodies, strict=True))
    found = retrieval.choose(question.text, vector, pairs, shelf.vectors, lexical)
    if found is None:
        return None
    row = found.row
    return found.nearness, Citation(articles.external_ids[row], articles.titles[row], articles.urls[row], found.quote)


@dataclass(frozen=True)
class _Shelf:
    articles: queries.Articles
    vectors: list[Any] | None
    version_id: int | None


_shelves: dict[int, _Shelf] = {}


def _shelf(shop_id: int, version: Any) -> _Shelf:
    articles = queries.articles(shop_id)
    version_id = version.version_id if version else None
    held = _shelves.get(shop_id)
    if (
        held is None
        or held.version_id != version_id
        or (held.articles.ids, held.articles.mark) != (articles.ids, articles.mark)
    ):
        held = _Shelf(articles, _vectors(articles, version) if version else None, version_id)
        _shelves[shop_id] = held
    return held


def _vectors(articles: queries.Articles, version: Any) -> list[Any]:
    encode = version.scorer.encoder.encode
    return [
        encode(features.clean_all(retrieval.sentences_of(title, body)))
        for title, body in zip(articles.titles, articles.bodies, strict=True)
    ]
