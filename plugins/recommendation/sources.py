"""Where the products of an answer come from: live versions in turn, then bestsellers, then whatever is newest.

`fill` takes products from each source until the list is full; nothing is shown twice, nothing that may not be
shown. Products are places in the catalogue here; each scorer has its own numbers for them (`assortment.Range`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from plugins.recommendation.assortment import Assortment, Filters, Range

logger = logging.getLogger(__name__)

Indexes = npt.NDArray[Any]
BESTSELLERS, NEWEST = "bestsellers", "newest"
POPULARITY = "popularity"  # how scorers call what they fill up with


@dataclass(frozen=True)
class Visit:
    """Who is asking, and what they did lately.

    `context` are the products of the page or the cart, `recent` those met lately, oldest first, with their instants
    (`recent_at`, Unix seconds): places in the catalogue. A customer is named only where that is proven.
    """

    customer_id: int | None = None
    customer_external_id: str | None = None
    recent: Indexes = field(default_factory=lambda: np.empty(0, np.int64))
    recent_at: Indexes = field(default_factory=lambda: np.empty(0, np.float64))
    context: Indexes = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class Pick:
    """A product that was taken. `because` is the place of a product that speaks for it, -1 for none; `known` how the
    visitor met that one: ``context``, ``visit``, ``history`` (what is known of the customer) or empty."""

    place: int
    source: str
    score: float | None = None
    because: int = -1
    known: str = ""


@dataclass
class Wish:
    """One list to be filled: how many, out of what, leaving out which places, and what has been taken so far."""

    n: int
    assortment: Assortment
    filters: Filters
    visit: Visit
    hide_seen: bool
    hidden: set[int]
    picks: list[Pick] = field(default_factory=list)
    failed: list[Any] = field(default_factory=list)  # versions that could not answer
    answered: list[Any] = field(default_factory=list)  # versions that brought something

    @property
    def missing(self) -> int:
        return self.n - len(self.picks)

    def left_out(self) -> Indexes:
        """Places not to be taken (any more)."""
        return np.fromiter((*self.hidden, *(pick.place for pick in self.picks)), np.int64)

    def take(self, picks: Sequence[Pick]) -> bool:
        self.picks.extend(picks[: self.missing])
        return bool(picks)


def fill(wish: Wish, versions: Sequence[Any], bestsellers: Callable[[], Indexes]) -> None:
    """Fill the list from `versions` in turn, then from the ids of `bestsellers`, then by age, newest first."""
    for version in versions:
        if wish.missing <= 0:
            return
        _try(wish, version, _ask if hasattr(version.scorer, "candidates") else _ask_by_frames)
    fill_without_versions(wish, bestsellers)


def fill_similar(wish: Wish, versions: Sequence[Any], place: int) -> None:
    """Fill with what goes with the product at a place, as far as the versions know."""
    for version in versions:
        if wish.missing <= 0:
            return
        if hasattr(version.scorer, "similar"):
            _try(wish, version, lambda wish, version: _similar(wish, version, place))


def fill_without_versions(wish: Wish, bestsellers: Callable[[], Indexes]) -> None:
    if wish.missing <= 0:
        return
    mask = _open(wish)
    places = wish.assortment.catalogue.index_of(bestsellers())
    places = places[places >= 0]
    places = places[mask[places]][: wish.missing]
    wish.take([Pick(int(place), BESTSELLERS) for place in places])
    if wish.missing <= 0:
        return
    mask = _open(wish)
    newest = np.flatnonzero(mask)[::-1][: wish.missing]
    wish.take([Pick(int(place), NEWEST) for place in newest])


def _open(wish: Wish) -> npt.NDArray[np.bool_]:
    mask = wish.assortment.mask(wish.filters)
    left_out = wish.left_out()
    if len(left_out):
        mask = mask.copy()
        mask[left_out] = False
    return mask


def _try(wish: Wish, version: Any, ask: Callable[[Wish, Any], list[Pick]]) -> None:
    """A scorer that fails, ours or a third party's, leaves its turn to the next one."""
    try:
        if wish.take(ask(wish, version)):
            wish.answered.append(version)
    except Exception:
        logger.exception("version %s of %s can't answer", version.version_id, version.learner.name)
        wish.failed.append(version)


def _ask(wish: Wish, version: Any) -> list[Pick]:
    scorer, span, visit = version.scorer, _span(wish, version), wish.visit
    customer = _customer(scorer, visit)
    history = session_of(version, span, visit, customer)
    mask = span.mask_without(wish.filters, wish.left_out())
    found = scorer.candidates(customer, history, wish.missing, mask, remove_seen=wish.hide_seen)
    if wish.hide_seen and customer is not None:
        # What the customer bought is hidden from the sources after this one, too.
        seen = span.places[scorer.seen(customer, history)]
        wish.hidden.update(seen[seen >= 0].tolist())
    indexes = np.asarray(found.indexes)
    reasons = _reasons(scorer, span, visit, customer, history, indexes)
    picks = []
    for index, score, (because, known) in zip(indexes.tolist(), found.scores.tolist(), reasons, strict=True):
        # A scorer fills up with bestsellers at score 0: they are not its own choice.
        source = found.source if score or found.source == POPULARITY else POPULARITY
        picks.append(Pick(int(span.places[index]), source, score, because, known))
    return picks


def _similar(wish: Wish, version: Any, place: int) -> list[Pick]:
    scorer, span = version.scorer, _span(wish, version)
    number = int(span.numbers[place])
    if number < 0:
        return []
    indexes, scores = scorer.similar(number, wish.missing, span.mask_without(wish.filters, wish.left_out()))
    source = getattr(scorer, "source", version.learner.name)
    return [
        Pick(int(span.places[each]), source, score, place, "context")
        for each, score in zip(np.asarray(indexes).tolist(), np.asarray(scores).tolist(), strict=True)
    ]


def _ask_by_frames(wish: Wish, version: Any) -> list[Pick]:
    """Any learner of the slot: `predict` for one known customer. It knows neither visits nor filters."""
    if wish.visit.customer_id is None:
        return []
    frame = version.learner.predict(version.scorer, customers=pl.DataFrame({"customer_id": [wish.visit.customer_id]}))
    ranked = frame.sort("rank")
    places = wish.assortment.catalogue.index_of(ranked["product_id"].to_numpy())
    mask = _open(wish)
    return [
        Pick(int(place), version.learner.name, score)
        for place, score in zip(places.tolist(), ranked["score"].to_list(), strict=True)
        if place >= 0 and mask[place]
    ]


def session_of(version: Any, span: Range, visit: Visit, customer: int | None) -> Indexes:
    """The scorer's numbers of what was met lately and on this page, oldest first.

    For a customer whom the version knows, only what happened after it was trained: the rest is in its history.
    """
    recent = visit.recent
    if customer is not None and isinstance(version.trained_until, datetime):
        recent = recent[visit.recent_at >= version.trained_until.timestamp()]
    return span.numbers_of(np.concatenate([recent, visit.context]))


def _reasons(
    scorer: Any, span: Range, visit: Visit, customer: int | None, history: Indexes, indexes: Indexes
) -> list[tuple[int, str]]:
    """For each product the place of the one that speaks most for it, and how the visitor met that."""
    if not len(indexes) or (customer is None and not len(history)):
        return [(-1, "")] * len(indexes)
    in_context, in_visit = set(visit.context.tolist()), set(history.tolist())
    told = []
    for reason in np.asarray(scorer.because(history, indexes, customer)).tolist():
        place = int(span.places[reason]) if reason >= 0 else -1
        if place < 0:  # none, or a product that is no longer there
            told.append((-1, ""))
        elif place in in_context:
            told.append((place, "context"))
        else:
            told.append((place, "visit" if reason in in_visit else "history"))
    return told


def _customer(scorer: Any, visit: Visit) -> int | None:
    """The scorer's number of a proven customer; an artifact made from files knows the shop's own ids."""
    text = scorer.customer_ids.dtype.kind in "US"
    name = visit.customer_external_id if text else visit.customer_id
    return None if name is None else scorer.customer_index(name)


def _span(wish: Wish, version: Any) -> Range:
    return wish.assortment.range(version.version_id, version.scorer.product_ids)
