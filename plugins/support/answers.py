"""What is asked and what is answered, between routes, service and console."""

from __future__ import annotations

import msgspec

from commerce_ai.decisions.reasons import Reason


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a customer. `message_id` makes sending it again harmless."""

    text: str
    conversation_id: str = ""
    message_id: str = ""
    language: str = ""


class Citation(msgspec.Struct, frozen=True):
    """An article that an answer is drawn from, and the words taken from it."""

    article_id: str
    title: str
    url: str
    quote: str


class Answer(msgspec.Struct, frozen=True):
    """What customer service answers. `action`: template, article, sign_in, handover or waiting (a person has it).

    `version` names the version that read the intent; with `fallback` none did, and `fallback_reason` says why.
    `stored` is false when the decision could not be kept; the conversation is.
    """

    conversation_id: str
    message_id: str
    action: str
    text: str
    citations: list[Citation]
    reasons: list[Reason]
    intent: str | None
    confidence: float | None
    out_of_scope_score: float | None
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    stored: bool = True
