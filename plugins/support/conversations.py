"""What was said, in the shop's tables: every message once, and each answer with what it answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from commerce_ai.ids import uuid7
from commerce_ai.shop.models import Conversation, Customer, Message, Shop
from plugins.support.answers import Answer, Question


class Unknown(LookupError):
    """There is no such conversation, or it is not the asker's."""


def asker(shop_id: int, subject: Any, question: Question, trusted: bool) -> Any:
    """Who asks: a server that names nobody but the conversation speaks for whom it is with."""
    if not trusted or not question.conversation_id or subject.customer_external_id or subject.anonymous_id:
        return subject
    rows = Conversation.objects.of(shop_id).filter(external_id=question.conversation_id)
    found = rows.values_list("customer__external_id", "anonymous_id").first()
    if found is None or not any(found):
        return subject
    customer, anonymous = found
    return msgspec.structs.replace(
        subject, customer_external_id=customer, anonymous_id=anonymous or None, proven=customer is not None
    )


def enter(shop: Shop, subject: Any, customer: Customer | None, question: Question, trusted: bool) -> Conversation:
    """The conversation that is meant, held until the transaction ends; a new one where none is named.

    Raises `Unknown`.
    """
    if not question.conversation_id:
        return Conversation.objects.of(shop).create(
            shop=shop,
            external_id=str(uuid7()),
            customer=customer,
            anonymous_id=subject.anonymous_id or "",
            language=question.language[:2].lower(),
        )
    rows = Conversation.objects.of(shop).select_for_update()
    found = rows.filter(external_id=question.conversation_id).first()
    if found is None or not (trusted or _is_theirs(found, subject, customer)):
        raise Unknown(question.conversation_id)
    if customer is not None and found.customer_id is None:
        found.customer = customer
    if found.status in (Conversation.Status.CLOSED, Conversation.Status.WAITING):
        found.status, found.closed_at = Conversation.Status.OPEN, None
    return found


def note(conversation: Conversation, question: Question) -> tuple[Message, bool]:
    """The customer's message, and whether it is new: however often it is sent, it is written once."""
    external_id = f"{conversation.external_id}:{question.message_id}"[:255] if question.message_id else str(uuid7())
    return Message.objects.of(conversation.shop_id).get_or_create(
        shop_id=conversation.shop_id,
        external_id=external_id,
        defaults={"conversation": conversation, "role": Message.Role.CUSTOMER, "text": question.text},
    )


def answer_to(conversation: Conversation, asked: Message) -> Answer | None:
    """What was answered to a message before."""
    said = Message.objects.of(conversation.shop_id).filter(
        conversation=conversation, role=Message.Role.ASSISTANT, properties__to=asked.external_id
    )
    found = said.first()
    return None if found is None else msgspec.convert({**found.properties["answer"], "text": found.text}, Answer)


def keep(conversation: Conversation, asked: Message, answer: Answer) -> None:
    """Write the answer down, and hand the conversation over where a person is to go on."""
    kept = {name: value for name, value in msgspec.to_builtins(answer).items() if name != "text"}
    Message.objects.of(conversation.shop_id).create(
        shop_id=conversation.shop_id,
        conversation=conversation,
        external_id=answer.message_id,
        role=Message.Role.ASSISTANT,
        text=answer.text,
        decision_id=UUID(answer.decision_id),
        properties={"to": asked.external_id, "answer": kept},
    )
    if answer.action == "handover":
        conversation.status = Conversation.Status.HANDED_OFF
    conversation.save()


def rate(shop: Shop, subject: Any, external_id: str, rating: int, trusted: bool) -> Conversation:
    """Keep how content somebody was with their conversation; the last word counts. Raises `Unknown`."""
    found = Conversation.objects.of(shop).select_related("customer").filter(external_id=external_id).first()
    customer = found.customer if found and subject.proven else None
    if customer is not None and customer.external_id != subject.customer_external_id:
        customer = None
    if found is None or not (trusted or _is_theirs(found, subject, customer)):
        raise Unknown(external_id)
    found.rating = rating
    found.save(update_fields=["rating", "updated_at"])
    return found


def _is_theirs(conversation: Conversation, subject: Any, customer: Customer | None) -> bool:
    if conversation.customer_id is not None:
        return customer is not None and conversation.customer_id == customer.pk
    return bool(subject.anonymous_id) and conversation.anonymous_id == subject.anonymous_id
