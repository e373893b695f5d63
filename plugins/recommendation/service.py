"""Answers one request: who is it, what may be shown, which version knows best; and keeps the decision.

Warm, nothing is read from Postgres: versions, settings and catalogue are in memory, the visit is in Redis, and the
decision is the one INSERT. The list is always filled while there is enough to sell: sources.py says from where.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from django.utils.translation import gettext as say

from commerce_ai.decisions import payload
from commerce_ai.decisions.experiments.drawing import Drawn, draw
from commerce_ai.decisions.reasons import Reason
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.ingest import visitors
from commerce_ai.shop import consent
from commerce_ai.shop.catalogue import catalogue_of
from commerce_ai.shop.kept import customer_ids
from plugins.recommendation import queries
from plugins.recommendation.answers import Answer, Item, Request
from plugins.recommendation.assortment import Assortment
from plugins.recommendation.forms import AUTO, ONLY_BESTSELLERS, SLOT
from plugins.recommendation.sources import BESTSELLERS, NEWEST, POPULARITY, Pick, Visit, Wish, fill, fill_similar

PLUGIN = "recommendation"
PLACEMENTS = ("home", "category", "product", "cart", "search", "email")
MOST_ITEMS = 100
MOST_CONTEXT = 50
NO_PLACES, NO_INSTANTS = np.empty(0, np.int64), np.empty(0, np.float64)
NO_WISH = {"Product Removed", "Product Removed from Wishlist"}


class UnknownProduct(LookupError):
    """The shop's catalogue has no product of this external id."""


def recommend(shop_id: int, subject: Any, request: Request, *, keep: bool = True, drawn: Drawn | None = None) -> Answer:
    """Products for `subject` (an api `Subject`). With `keep` false no decision is stored: a look from the console, or
    from the shadow, which brings what is `drawn`."""
    started = time.perf_counter()
    settings, drawn = _settings(drawn or draw(shop_id, PLUGIN, request.placement, subject))
    versions = in_turn(drawn, settings)
    wish = _wish(shop_id, subject, request, settings, versions)
    if request.placement == "product" and len(wish.visit.context):
        fill_similar(wish, versions, int(wish.visit.context[-1]))
    fill(wish, versions, lambda: queries.kept_bestsellers.get(shop_id))
    return _answer(shop_id, subject, request, settings, wish, versions, "recommendations", started, keep, drawn)


def similar(
    shop_id: int, subject: Any, product_id: str, request: Request, *, keep: bool = True, drawn: Drawn | None = None
) -> Answer:
    """What goes with one product, filled up from its category, then from everywhere. Raises `UnknownProduct`."""
    started = time.perf_counter()
    request = msgspec.structs.replace(request, products=(product_id,))
    settings, drawn = _settings(drawn or draw(shop_id, PLUGIN, "product", subject))
    versions = in_turn(drawn, settings)
    wish = _wish(shop_id, subject, request, settings, versions)
    if not len(wish.visit.context):
        raise UnknownProduct(product_id)
    catalogue, place = wish.assortment.catalogue, int(wish.visit.context[0])
    fill_similar(wish, versions, place)
    category = catalogue.categories[catalogue.category[place]]
    if not wish.filters.category and category:
        near = replace(wish, filters=msgspec.structs.replace(wish.filters, category=category))
        fill(near, versions, lambda: queries.kept_bestsellers.get(shop_id))
    fill(wish, versions, lambda: queries.kept_bestsellers.get(shop_id))
    return _answer(shop_id, subject, request, settings, wish, versions, "similar", started, keep, drawn)


def in_turn(drawn: Drawn, settings: Any) -> list[Any]:
    """Versions in the order they are asked: the chosen source, then by validation, bestsellers last."""
    if settings.bestsellers_only or settings.source == ONLY_BESTSELLERS:
        return []
    versions = drawn.versions(SLOT)
    chosen = [each for each in versions if each.learner.name == settings.source]
    others = [each for each in versions if each.learner.name != settings.source]
    if settings.source == AUTO:
        return others
    others.sort(key=lambda each: getattr(each.scorer, "source", "") == POPULARITY)
    return chosen + others


def assortment_of(shop_id: int) -> Assortment:
    """The shop's catalogue with its masks. Warm."""
    catalogue = catalogue_of(shop_id)
    kept = _assortments.get(shop_id)
    if kept is None or kept.catalogue is not catalogue:
        made = Assortment(catalogue)
        if kept is not None:
            made.inherit(kept)
        _assortments[shop_id] = kept = made
    return kept


_assortments: dict[int, Assortment] = {}


def _settings(drawn: Drawn) -> tuple[Any, Drawn]:
    """The shop's settings, under the arm that the subject was drawn into."""
    return (replace(drawn.settings, source=ONLY_BESTSELLERS) if drawn.held_out else drawn.settings), drawn


def _wish(shop_id: int, subject: Any, request: Request, settings: Any, versions: Sequence[Any]) -> Wish:
    assortment = assortment_of(shop_id)
    catalogue = assortment.catalogue
    context = catalogue.index_of_external(list(request.products[:MOST_CONTEXT])) if request.products else NO_PLACES
    context = context[context >= 0]
    excluded = catalogue.index_of_external(list(request.exclude)) if request.exclude else NO_PLACES
    return Wish(
        n=min(request.n or settings.items, MOST_ITEMS),
        assortment=assortment,
        filters=request.filters,
        visit=_visit(shop_id, subject, catalogue, context, versions),
        hide_seen=settings.exclude_purchased if request.exclude_purchased is None else request.exclude_purchased,
        hidden={place for place in (*excluded.tolist(), *context.tolist()) if place >= 0},
    )


def _visit(shop_id: int, subject: Any, catalogue: Any, context: Any, versions: Sequence[Any]) -> Visit:
    """What is known of the visitor without looking into Postgres: the last product events, oldest first.

    Of whom the shop may not use personally, only the products of the page or the cart.
    """
    if not _allows(shop_id, subject, consent.Purpose.PERSONALISATION):
        return Visit(context=context)
    customer = subject.customer_external_id if subject.proven else None
    events = []
    if customer or subject.anonymous_id:
        events = visitors.recent(shop_id, customer_external_id=customer, anonymous_id=subject.anonymous_id)
    latest: dict[int, float] = {}
    for event in reversed(events):
        if event.name in NO_WISH:
            continue
        latest.pop(event.product_id, None)  # moves to the end: a product counts where it was met last
        latest[event.product_id] = event.at.timestamp()
    recent, recent_at = NO_PLACES, NO_INSTANTS
    if latest:
        recent, recent_at = catalogue.index_of(list(latest)), np.array(list(latest.values()))
        recent, recent_at = recent[recent >= 0], recent_at[recent >= 0]
    return Visit(
        customer_id=customer_id_of(shop_id, customer, versions) if customer else None,
        customer_external_id=customer,
        recent=recent,
        recent_at=recent_at,
        context=context,
    )


def _allows(shop_id: int, subject: Any, purpose: consent.Purpose) -> bool:
    customer = subject.customer_external_id if subject.proven else None
    return consent.allows(shop_id, purpose, customer_external_id=customer, anonymous_id=subject.anonymous_id)


def customer_id_of(shop_id: int, external_id: str, versions: Sequence[Any]) -> int | None:
    """Our id of a customer, from an artifact that carries it; read once for whom none knows."""
    for version in versions:
        find = getattr(version.scorer, "customer_index_of", None)
        index = find(external_id) if find else None
        if index is not None and version.scorer.customer_ids.dtype.kind not in "US":
            return int(version.scorer.customer_ids[index])
    return customer_ids.get(shop_id, external_id)


def _answer(
    shop_id: int, subject: Any, request: Request, settings: Any, wish: Wish, versions: Sequence[Any], kind: str,
    started: float, keep: bool, drawn: Drawn,
) -> Answer:  # fmt: skip
    chose = wish.answered[0] if wish.answered else None
    fallback_reason = "" if chose and not drawn.stands_in else drawn.why or _why_fallback(settings, wish, versions)
    reasons: dict[Any, Reason | None] = {}
    items = [_item(wish, position, pick, reasons) for position, pick in enumerate(wish.picks, 1)]
    # What the visitor does next may be tied to this answer only if they let themselves be counted.
    counted = _allows(shop_id, subject, consent.Purpose.ANALYTICS)
    decision = NewDecision(
        shop_id=shop_id,
        plugin=PLUGIN,
        kind=kind,
        placement=request.placement if kind == "recommendations" else "product",
        subject=f"product:{request.products[0]}" if request.products else "",
        customer_id=wish.visit.customer_id if counted else None,
        anonymous_id=subject.anonymous_id if counted else None,
        session_id=subject.session_id if counted else None,
        version_id=chose.version_id if chose else None,
        payload=payload.Payload(items=[_kept(wish, each, pick) for each, pick in zip(items, wish.picks, strict=True)]),
        flags=(*(("fallback",) if fallback_reason and settings.source != ONLY_BESTSELLERS else ()), *drawn.flags),
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
        **drawn.marks,
    )
    stored = record(decision).stored if keep else False
    version = f"{chose.learner.name} v{chose.version_id}" if chose else None
    personal = wish.visit.customer_id is not None or len(wish.visit.recent) > 0
    return Answer(items, str(decision.decision_id), version, bool(fallback_reason), fallback_reason, stored, personal)


def _item(wish: Wish, position: int, pick: Pick, reasons: dict[Any, Reason | None]) -> Item:
    catalogue, place = wish.assortment.catalogue, pick.place
    # A list has few reasons, and a translation costs as much as all the rest of an item.
    why = (pick.because, pick.because == pick.place, pick.known, pick.source)
    if why not in reasons:
        reasons[why] = _reason(catalogue, pick)
    return Item(
        product_id=catalogue.external_id[place],
        title=catalogue.title[place],
        price=catalogue.price_text(place),
        image_url=catalogue.image_url[place],
        url=catalogue.url[place],
        position=position,
        source=pick.source,
        reason=reasons[why],
    )


def _kept(wish: Wish, item: Item, pick: Pick) -> payload.Item:
    return payload.Item(
        product_id=item.product_id,
        id=int(wish.assortment.catalogue.id[pick.place]),
        position=item.position,
        source=item.source,
        propensity=1.0,
        score=pick.score,
        reasons=[item.reason.code] if item.reason else [],
    )


def _reason(catalogue: Any, pick: Pick) -> Reason | None:
    if pick.because == pick.place:
        return Reason("seen_before", say("You looked at this before"))
    if pick.because >= 0 and pick.known:
        title = catalogue.title[pick.because]
        params = {"product_id": catalogue.external_id[pick.because], "title": title}
        if pick.known == "context":
            return Reason("goes_with", say("Goes with %(title)s") % params, params)
        if pick.known == "visit":
            return Reason("because_viewed", say("Because you looked at %(title)s") % params, params)
        return Reason("because_known", say("Because of your interest in %(title)s") % params, params)
    if pick.source in (POPULARITY, BESTSELLERS):
        return Reason("popular", say("Popular in this shop"))
    if pick.source == NEWEST:
        return Reason("new", say("New in this shop"))
    return None


def _why_fallback(settings: Any, wish: Wish, versions: Sequence[Any]) -> str:
    if settings.bestsellers_only or settings.source == ONLY_BESTSELLERS:
        return say("The shop has switched to bestsellers only.")
    if not versions:
        return say("No version is live yet: the shop's bestsellers answer.")
    if wish.failed:
        return say("The live version could not answer: the shop's bestsellers do.")
    return say("No live version knows this visitor or these products: the shop's bestsellers answer.")
