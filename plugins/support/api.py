"""Routes: an answer to a customer's message, conversations, and the shop's articles."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from commerce_ai.api.errors import invalid_field, not_found
from commerce_ai.api.fields import OutsideSerializer
from commerce_ai.api.hot import Caller, hot
from commerce_ai.api.resource_views import routes
from commerce_ai.api.tables import Change, TableResource
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Article, Conversation, Message, Shop
from plugins.support import conversations as kept
from plugins.support import service
from plugins.support.answers import Answer, Question

MOST_MESSAGES = 200


class ReplyBody(msgspec.Struct, frozen=True, kw_only=True):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    conversation_id: Annotated[str, msgspec.Meta(max_length=255)] = ""
    message_id: Annotated[str, msgspec.Meta(max_length=100)] = ""
    language: Annotated[str, msgspec.Meta(max_length=16)] = ""
    customer_id: str | None = None
    customer_token: str | None = None
    anonymous_id: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    session_id: Annotated[str, msgspec.Meta(max_length=255)] | None = None


class RatingBody(msgspec.Struct, frozen=True, kw_only=True):
    rating: Annotated[int, msgspec.Meta(ge=1, le=5)]
    customer_id: str | None = None
    customer_token: str | None = None
    anonymous_id: Annotated[str, msgspec.Meta(max_length=255)] | None = None


class Rated(msgspec.Struct, frozen=True):
    """What was kept. Rate again, and the last word counts."""

    conversation_id: str
    rating: int


class Turn(msgspec.Struct, frozen=True):
    message_id: str
    role: str
    text: str
    at: datetime


class Talk(msgspec.Struct, frozen=True):
    """A conversation; `messages` are the latest 200, oldest first, and empty in lists."""

    conversation_id: str
    customer_id: str | None
    status: str
    channel: str
    opened_at: datetime
    updated_at: datetime
    messages: list[Turn] = []


class TalksQuery(msgspec.Struct, frozen=True, kw_only=True):
    status: str = ""
    n: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: datetime | None = None


class Talks(msgspec.Struct, frozen=True):
    """Conversations, latest change first. Ask for the next with `before` set to the last one's `updated_at`."""

    results: list[Talk]


@hot(
    scope="chat",
    methods=("POST",),
    plugin="support",
    body=ReplyBody,
    answer=Answer,
    summary=_("An answer to a customer's message"),
)
def reply(request: HttpRequest, caller: Caller, query: None, body: ReplyBody) -> Answer:
    """Answer `text`, with citations and reasons, or hand the conversation over to a person.

    Without `conversation_id` a new one begins; give it back with every further message. A customer's own facts are
    told only with a `customer_token` (or by a secret key that names the customer). `message_id` makes sending a message
    again harmless.
    """
    if not body.text.strip():
        raise invalid_field("text", _("There is nothing to answer."))
    subject = caller.subject(
        customer_id=body.customer_id,
        customer_token=body.customer_token,
        anonymous_id=body.anonymous_id,
        session_id=body.session_id,
    )
    question = Question(
        text=body.text, conversation_id=body.conversation_id, message_id=body.message_id, language=body.language
    )
    try:
        return service.reply(caller.shop_id, subject, question, trusted=caller.is_secret)
    except kept.Unknown:
        raise not_found("conversation_id", _("There is no such conversation.")) from None


@hot(
    scope="chat",
    methods=("POST",),
    plugin="support",
    body=RatingBody,
    answer=Rated,
    summary=_("How content a customer was"),
)
def rating(request: HttpRequest, caller: Caller, query: None, body: RatingBody, conversation_id: str) -> Rated:
    """From 1 (not at all) to 5, by whoever had the conversation: what experiments call satisfaction."""
    subject = caller.subject(
        customer_id=body.customer_id, customer_token=body.customer_token, anonymous_id=body.anonymous_id
    )
    try:
        found = kept.rate(
            Shop.objects.get(pk=caller.shop_id), subject, conversation_id, body.rating, trusted=caller.is_secret
        )
    except kept.Unknown:
        raise not_found("conversation_id", _("There is no such conversation.")) from None
    return Rated(found.external_id, body.rating)


@hot(scope="customers:read", plugin="support", query=TalksQuery, answer=Talks, summary=_("Conversations"))
def conversations(request: HttpRequest, caller: Caller, query: TalksQuery, body: None) -> Talks:
    """Conversations of the shop, latest change first; `status` is open, waiting, handed_off or closed."""
    if query.status and query.status not in Conversation.Status.values:
        known = ", ".join(Conversation.Status.values)
        raise invalid_field("status", _("There is no such status. The statuses are: %(known)s.") % {"known": known})
    rows = Conversation.objects.of(caller.shop_id).select_related("customer")
    if query.status:
        rows = rows.filter(status=query.status)
    if query.before is not None:
        rows = rows.filter(updated_at__lt=query.before)
    return Talks([_talk(each, []) for each in rows.order_by("-updated_at", "-pk")[: query.n]])


@hot(scope="customers:read", plugin="support", answer=Talk, summary=_("One conversation"))
def conversation(request: HttpRequest, caller: Caller, query: None, body: None, conversation_id: str) -> Talk:
    """A conversation with what was said in it."""
    rows = Conversation.objects.of(caller.shop_id).select_related("customer")
    found = rows.filter(external_id=conversation_id).first()
    if found is None:
        raise not_found()
    said = Message.objects.of(caller.shop_id).filter(conversation=found).order_by("-at", "-pk")[:MOST_MESSAGES]
    return _talk(found, [Turn(each.external_id, each.role, each.text, each.at) for each in reversed(said)])


class ArticleSerializer(OutsideSerializer):
    external_id = serializers.CharField(max_length=255)
    title = serializers.CharField(max_length=500)
    body = serializers.CharField(max_length=100_000)
    url = serializers.CharField(allow_blank=True, default="", max_length=2000)
    language = serializers.RegexField(r"^[a-z]{2}$", allow_blank=True, default="", help_text=_("ISO 639-1, as en."))
    category = serializers.CharField(allow_blank=True, default="", max_length=500)
    tags = serializers.ListField(child=serializers.CharField(max_length=100), default=list, max_length=200)
    active = serializers.BooleanField(default=True)
    updated_at = serializers.DateTimeField(read_only=True)


class Articles(TableResource):
    name = "articles"
    model = Article
    serializer = ArticleSerializer
    read_scope, write_scope = "catalogue:read", "catalogue:write"
    required = ("title", "body")
    columns = ("title", "body", "url", "language", "category", "tags", "active")

    def rows(self, shop_id: int) -> QuerySet[Any]:
        return Article.objects.of(shop_id)

    def upsert(self, shop: Shop, changes: list[Change], **options: Any) -> None:
        if changes:
            rows = [(shop.pk, each.external_id, *(each.values[name] for name in self.columns)) for each in changes]
            columns = ["shop", "external_id", *self.columns]
            bulk.upsert(Article, columns, rows, key=("shop", "external_id"), update=self.columns, **options)


def _talk(row: Conversation, messages: list[Turn]) -> Talk:
    who = row.customer.external_id if row.customer is not None else None
    return Talk(row.external_id, who, row.status, row.channel, row.opened_at, row.updated_at, messages)


urlpatterns = [
    path("support/reply", reply, name="support-reply"),
    path("support/conversations", conversations, name="support-conversations"),
    path("support/conversations/<str:conversation_id>", conversation, name="support-conversation"),
    path("support/conversations/<str:conversation_id>/rating", rating, name="support-conversation-rating"),
    *routes(Articles()),
]
