"""The passage of an article that answers a question: full text and vectors, joined by rank.

Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009) needs no scale that both sides share. An answer is
extractive: sentences of the article as they stand, so that nothing is said that the shop did not write.

Where it is known what is wanted, the question is moved towards what people who wanted the same asked (Rocchio:
*Relevance Feedback in Information Retrieval*, 1971): few words tell little, and a passage has to suit the intent, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RANK_OFFSET = 60  # the paper's k
SENTENCES = 2
BEST = 3  # of the joined ranking; the nearest of them answers
TOWARDS_INTENT = 0.75  # Rocchio's usual weight of what is known to be relevant, beside 1 of the question
_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Found:
    """An article (its row), the words that answer, and how near they are: a cosine, or the share of words met."""

    row: int
    quote: str
    nearness: float


def sentences_of(title: str, body: str) -> list[str]:
    """The title and the sentences of the text."""
    return [title, *(each.strip() for each in _END.split(body) if each.strip())]


def fuse(*rankings: Sequence[int]) -> list[int]:
    """Rows by the sum of 1 / (60 + rank) over the rankings, best first; ties go to the first ranking's order."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(scores, key=lambda row: -scores[row])


def towards(question: Any, intent: Any) -> Any:
    """The question's vector moved towards the mean of an intent's, at unit length; as it is without an intent."""
    if intent is None:
        return question
    moved = question + TOWARDS_INTENT * intent
    return moved / max(float(np.linalg.norm(moved)), 1e-9)


def by_vectors(question: Any, vectors: Sequence[Any]) -> tuple[list[int], list[float]]:
    """Rows by the best cosine of any of their sentences, best first; and that cosine by row."""
    best = [float((each @ question).max()) if len(each) else -1.0 for each in vectors]
    return sorted(range(len(best)), key=lambda row: -best[row]), best


def quote(sentences: Sequence[str], nearness: Sequence[float]) -> str:
    """The two nearest sentences in the order of the article; the title (the first) is never one of them."""
    body = list(range(1, len(sentences)))
    chosen = sorted(sorted(body, key=lambda place: -nearness[place])[:SENTENCES])
    return " ".join(sentences[place] for place in chosen)


def overlap(question: str, sentence: str) -> float:
    """Share of the question's longer words that stand in the sentence: what nearness is without vectors."""
    asked = {each.lower() for each in _WORD.findall(question) if len(each) > 3}
    met = {each.lower() for each in _WORD.findall(sentence)}
    return len(asked & met) / len(asked) if asked else 0.0


def choose(
    question: str,
    asked: Any,
    articles: Sequence[tuple[str, str]],
    vectors: Sequence[Any] | None,
    lexical: Sequence[int],
    *,
    intent: Any = None,
    rows: Collection[int] | None = None,
) -> Found | None:
    """The best article among (title, text) pairs; `lexical` are the rows that full text found, best first.

    `asked` is the question's vector and `vectors` those of each article's sentences, or None without an encoder.
    `intent` is the mean vector of texts that wanted the same, where that is known; `rows`: only these articles.
    """
    if rows is not None:
        lexical = [row for row in lexical if row in rows]
    if vectors is None or asked is None:
        if not lexical:
            return None
        row = lexical[0]
        sentences = sentences_of(*articles[row])
        near = [overlap(question, each) for each in sentences]
        return Found(row, quote(sentences, near), overlap(question, " ".join(sentences)))
    dense, best = by_vectors(towards(asked, intent), vectors)
    dense = dense if rows is None else [row for row in dense if row in rows]
    order = fuse(dense[:10], lexical[:10])
    if not order:
        return None
    row = max(order[:BEST], key=lambda each: best[each])
    near = np.asarray(vectors[row] @ asked).tolist()
    # What is near to the question itself need not be near to what others asked.
    return Found(row, quote(sentences_of(*articles[row]), near), max(best[row], *near))
