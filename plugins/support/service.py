"""Answers one message: what is wanted, what may be told, from which article, or by whom; and keeps the decision.

A template with slots from facts comes first, then an article, then a person. Facts of a customer are told to that
customer only: to a secret key that names them, or to a visitor with the token that the shop's server signed.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.utils.translation import gettext as say

from commerce_ai.decisions import payload
from commerce_ai.decisions.experiments.drawing import Drawn, draw
from commerce_ai.decisions.reasons import Reason
from commerce_ai.decisions.record import NewDecision, new_decision_id, record
from commerce_ai.ids import uuid7
from commerce_ai.shop.models import Conversation, Customer, Shop
from plugins.support import conversations, features, library, phrasing, queries
from plugins.support.answers import Answer, Citation, Question
from plugins.support.forms import SLOT
from plugins.support.topics import topics_of

logger = logging.getLogger(__name__)

PLUGIN, PLACEMENT = "support", "chat"


@dataclass(frozen=True)
class Reading:
    """What the live version made of a message; all None without one.

    `vector` is the message's, `centre` the mean of the intent's known texts.
    """

    version: Any = None
    intent: str | None = None
    confidence: float | None = None
    oddness: float | None = None
    vector: Any = None
    centre: Any = None
    failed: bool = False


@dataclass(frozen=True)
class Reply:
    """What is answered, before it is written down."""

    action: str
    text: str
    reasons: list[Reason]
    citations: list[Citation]


def reply(shop_id: int, subject: Any, question: Question, *, trusted: bool = False) -> Answer:
    """Answer `question` of `subject` (an api `Subject`) and write both into the conversation.

    `trusted`: the asker may speak in any conversation of the shop (its own server). Raises `conversations.Unknown`.
    """
    started = time.perf_counter()
    shop = Shop.objects.get(pk=shop_id)
    asker = conversations.asker(shop_id, subject, question, trusted)
    drawn = draw(shop_id, PLUGIN, PLACEMENT, asker)
    settings = drawn.settings
    customer = queries.customer_of(shop_id, subject.customer_external_id) if subject.proven else None
    reading = Reading() if settings.people_only else _read(drawn, question.text)
    with transaction.atomic():
        conversation = conversations.enter(shop, subject, customer, question, trusted)
        asked, is_new = conversations.note(conversation, question)
        if not is_new and (before := conversations.answer_to(conversation, asked)) is not None:
            return before
        made = _reply(shop, conversation, customer, question, reading, settings)
        answer = _answer(conversation, made, reading, drawn)
        conversations.keep(conversation, asked, answer)
    return _decide(shop_id, asker, conversation, answer, reading, started, drawn)


def _reply(
    shop: Shop,
    conversation: Conversation,
    customer: Customer | None,
    question: Question,
    reading: Reading,
    settings: Any,
) -> Reply:
    if conversation.status == Conversation.Status.HANDED_OFF:
        why = _why("with_a_person", say("A person has this conversation"))
        return Reply("waiting", say("A person is looking into this and will answer here."), [why], [])
    if settings.people_only:
        return _hand_over(_why("people_only", say("The shop has every message answered by a person")))
    reasons, intent = [], None
    if reading.intent is not None and reading.confidence is not None and reading.oddness is not None:
        if reading.oddness > settings.most_oddness:
            reasons.append(_why("out_of_scope", say("Unlike what the shop was asked before")))
        elif reading.confidence < settings.least_confidence:
            reasons.append(_why("unsure", say("It is not sure what is wanted")))
        else:
            intent = reading.intent
            reasons.append(_why("intent", say("Read as: %(intent)s") % {"intent": intent}, intent=intent))
    if intent and intent in {each.strip() for each in settings.handover_intents.split(",")}:
        return _hand_over(*reasons)
    passages = _passages(shop, question, reading, intent, settings)
    if intent and (templates := queries.templates(shop, intent)):
        if told := _from_template(shop, customer, question, templates):
            return Reply("template", told[0], [*reasons, told[1]], [])
        if customer is None and all(map(phrasing.needs_order, templates)):
            why = _why("not_proven", say("Nobody vouches for who is asking"))
            text = say("For your privacy I can only look into your orders when you are signed in.")
            # Beside another answer something that may not fit is worse than nothing.
            fitting = (each for each in passages if each.on_topic and each.nearness >= _bar(each, settings))
            cited = [each.citation for each in fitting][:1]
            return Reply("sign_in", " ".join([text, *(each.quote for each in cited)]), [*reasons, why], cited)
    for each in passages:
        if each.nearness >= _bar(each, settings):
            words = say("From the article %(title)s") % {"title": each.citation.title}
            why = _why("article", words, nearness=f"{each.nearness:.2f}")
            return Reply("article", each.citation.quote, [*reasons, why], [each.citation])
    return _hand_over(*reasons, _why("no_article", say("No article of the shop answers this")))


def _from_template(
    shop: Shop, customer: Customer | None, question: Question, templates: list[str]
) -> tuple[str, Reason] | None:
    """The first template whose slots can all be filled. A stranger's slots know the shop only."""
    facts = {"shop": shop.name}
    if customer is not None and any(map(phrasing.needs_order, templates)):
        facts |= queries.order_facts(shop, customer, features.numbers_in(question.text))
    for template in templates:
        if (text := phrasing.fill(template, facts)) is not None:
            if phrasing.needs_order(template):
                return text, _why("own_facts", say("From your own orders"))
            return text, _why("template", say("The shop's answer to this"))
    return None


def _hand_over(*reasons: Reason) -> Reply:
    return Reply("handover", say("I am handing this over to a colleague, who will answer here."), list(reasons), [])


def _passages(
    shop: Shop, question: Question, reading: Reading, intent: str | None, settings: Any
) -> list[library.Passage]:
    """What may answer, the intent's own topics first. An intent that is not sure neither narrows nor moves anything."""
    wanted = topics_of(settings.topics).get(intent, frozenset()) if intent else frozenset()
    centre = reading.centre if intent else None
    return library.find(shop.pk, question, reading.version, reading.vector, intent=centre, topics=wanted)


def _bar(passage: library.Passage, settings: Any) -> float:
    """How near a passage must be to answer alone: nearer where the intent is about something else."""
    return max(settings.least_nearness, settings.sure_nearness if passage.on_topic is False else 0)


def _read(drawn: Drawn, text: str) -> Reading:
    version = next(iter(drawn.versions(SLOT)), None)
    if version is None:
        return Reading()
    try:
        scorer = version.scorer
        vector = scorer.vectors([text])
        chances = scorer.intents.probabilities(vector)[0]
        best = int(chances.argmax())
        return Reading(
            version,
            scorer.intents.names[best],
            float(chances[best]),
            float(scorer.intents.oddness(vector)[0]),
            vector[0],
            scorer.intents.centroids[best],
        )
    except Exception:
        logger.exception("version %s could not read a message", version.version_id)
        return Reading(failed=True)


def _answer(conversation: Conversation, made: Reply, reading: Reading, drawn: Drawn) -> Answer:
    why = drawn.why or _why_fallback(reading, drawn.settings)
    return Answer(
        conversation_id=conversation.external_id,
        message_id=str(uuid7()),
        action=made.action,
        text=made.text,
        citations=made.citations,
        reasons=made.reasons,
        intent=reading.intent,
        confidence=None if reading.confidence is None else round(reading.confidence, 4),
        out_of_scope_score=None if reading.oddness is None else round(reading.oddness, 4),
        decision_id=str(new_decision_id()),
        version=f"{reading.version.learner.name} v{reading.version.version_id}" if reading.version else None,
        fallback=bool(why),
        fallback_reason=why,
    )


def _decide(
    shop_id: int, subject: Any, conversation: Conversation, answer: Answer, reading: Reading, started: float,
    drawn: Drawn,
) -> Answer:  # fmt: skip
    decision = NewDecision(
        decision_id=UUID(answer.decision_id),
        shop_id=shop_id,
        plugin=PLUGIN,
        kind="reply",
        placement=PLACEMENT,
        subject=f"conversation:{answer.conversation_id}",
        customer_id=conversation.customer_id,
        anonymous_id=subject.anonymous_id,
        session_id=subject.session_id,
        version_id=reading.version.version_id if reading.version else None,
        payload=payload.Payload(
            value=answer.action,
            context={
                "intent": answer.intent,
                "confidence": answer.confidence,
                "out_of_scope_score": answer.out_of_scope_score,
                "articles": [each.article_id for each in answer.citations],
            },
        ),
        reasons=[each.code for each in answer.reasons],
        flags=(*(("fallback",) if answer.fallback and not drawn.held_out else ()), *drawn.flags),
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
        **drawn.marks,
    )
    return msgspec.structs.replace(answer, stored=record(decision).stored)


def _why_fallback(reading: Reading, settings: Any) -> str:
    if settings.people_only:
        return say("The shop has switched to people only.")
    if reading.failed:
        return say("The live version could not read the message: articles are searched by words.")
    if reading.version is None:
        return say("No version is live yet: articles are searched by words.")
    return ""


def _why(code: str, text: str, **params: str) -> Reason:
    return Reason(code, text, params)
