"""What people say: reviews, mentions, conversations; what the shop answers with; and labels by people."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.goods import Product
from commerce_ai.shop.models.orders import Order
from commerce_ai.shop.models.people import Customer
from commerce_ai.shop.models.tenancy import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep


class Review(ShopModel):
    """A customer's verdict on a product, or on the shop when `product` is empty."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        PUBLISHED = "published", _("published")
        REJECTED = "rejected", _("rejected")

    external_id = columns.external_id()
    product = columns.covered_key(Product, models.CASCADE, _("product"), null=True, blank=True)
    customer = models.ForeignKey(
        Customer, models.SET_NULL, verbose_name=_("customer"), related_name="+", null=True, blank=True
    )
    order = models.ForeignKey(Order, models.SET_NULL, verbose_name=_("order"), related_name="+", null=True, blank=True)
    rating = models.PositiveSmallIntegerField(_("rating (1 to 5)"), null=True, blank=True)
    title = models.CharField(_("title"), max_length=500, blank=True, default="")
    text = models.TextField(_("text"), blank=True, default="")
    language = columns.language()
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PUBLISHED)
    verified = models.BooleanField(_("bought here"), default=False)
    at = models.DateTimeField(_("at"), default=now)
    source = columns.source()

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {
        "external_id": "tells reviews apart",
        "customer": "opinion of the customer",
        "title": "opinion",
        "text": "opinion",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("review"), _("reviews")
        constraints = [
            columns.outside_key("review"),
            columns.named_outside("review"),
            *columns.within("review", 1, 5, "rating"),
        ]
        indexes = [
            models.Index(fields=["product", "at"], name="shop_review_product"),
            models.Index(fields=["shop", "at"], name="shop_review_at"),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class Mention(ShopModel):
    """A text about the shop, a brand or a product, found in the news or on a social network."""

    external_id = columns.external_id()
    platform = models.CharField(_("platform"), max_length=64)
    author = models.CharField(_("author"), max_length=255, blank=True, default="")
    url = models.CharField(_("page"), max_length=2000, blank=True, default="")
    title = models.CharField(_("title"), max_length=500, blank=True, default="")
    text = models.TextField(_("text"))
    language = columns.language()
    product = columns.covered_key(Product, models.SET_NULL, _("product"), null=True, blank=True)
    brand = models.CharField(_("brand"), max_length=200, blank=True, default="")
    reach = models.BigIntegerField(_("reach (people)"), null=True, blank=True)
    at = models.DateTimeField(_("at"), default=now)

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {
        "external_id": "tells mentions apart",
        "author": "public name of who wrote it",
        "url": "where the statement stands",
        "title": "public statement",
        "text": "public statement",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("mention"), _("mentions")
        constraints = [
            columns.outside_key("mention"),
            columns.named_outside("mention"),
            *columns.not_negative("mention", "reach"),
        ]
        indexes = [
            models.Index(fields=["product", "at"], name="shop_mention_product", condition=Q(product__isnull=False)),
            models.Index(fields=["shop", "at"], name="shop_mention_at"),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class Conversation(ShopModel):
    """A talk with customer service, by whichever channel."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        WAITING = "waiting", _("waiting for the customer")
        HANDED_OFF = "handed_off", _("with a person")
        CLOSED = "closed", _("closed")

    external_id = columns.external_id()
    customer = columns.covered_key(Customer, models.SET_NULL, _("customer"), null=True, blank=True)
    anonymous_id = models.CharField(_("anonymous id"), max_length=255, blank=True, default="")
    order = models.ForeignKey(Order, models.SET_NULL, verbose_name=_("order"), related_name="+", null=True, blank=True)
    channel = models.CharField(_("channel"), max_length=32, default="chat")
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.OPEN)
    subject = models.CharField(_("subject"), max_length=500, blank=True, default="")
    language = columns.language()
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("with"), related_name="+", null=True, blank=True
    )
    rating = models.PositiveSmallIntegerField(_("rating (1 to 5)"), null=True, blank=True)
    opened_at = models.DateTimeField(_("opened at"), default=now)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {
        "external_id": "customer service",
        "customer": "customer service",
        "anonymous_id": "customer service",
        "subject": "customer service",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("conversation"), _("conversations")
        constraints = [
            columns.outside_key("conversation"),
            columns.named_outside("conversation"),
            columns.in_order("conversation", "opened_at", "closed_at"),
            *columns.within("conversation", 1, 5, "rating"),
        ]
        indexes = [
            models.Index(fields=["customer", "opened_at"], name="shop_conversation_customer"),
            models.Index(fields=["shop", "status", "updated_at"], name="shop_conversation_open"),
        ]

    def __str__(self) -> str:
        return self.subject or self.external_id


class Message(ShopModel):
    """One turn of a conversation."""

    class Role(models.TextChoices):
        CUSTOMER = "customer", _("customer")
        ASSISTANT = "assistant", _("assistant")
        AGENT = "agent", _("agent")
        SYSTEM = "system", _("system")

    external_id = columns.external_id()
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, verbose_name=_("conversation"), related_name="messages", db_index=False
    )
    role = models.CharField(_("role"), max_length=16, choices=Role)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("author"), related_name="+", null=True, blank=True
    )
    text = models.TextField(_("text"))
    decision_id = models.UUIDField(_("decision"), null=True, blank=True)
    properties = models.JSONField(_("properties"), default=dict, blank=True, help_text=_("Sources, attachments."))
    at = models.DateTimeField(_("at"), default=now)

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {
        "external_id": "customer service",
        "text": "customer service",
        "properties": "sources and attachments of a message",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("message"), _("messages")
        constraints = [columns.outside_key("message"), columns.named_outside("message")]
        indexes = [
            models.Index(fields=["conversation", "at"], name="shop_message_turns"),
            models.Index(fields=["shop", "at"], name="shop_message_at"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.external_id}"


class Article(ShopModel):
    """A page of the shop's own knowledge, which answers are grounded on."""

    external_id = columns.external_id()
    title = models.CharField(_("title"), max_length=500)
    body = models.TextField(_("text"))
    url = models.CharField(_("page"), max_length=2000, blank=True, default="")
    language = columns.language()
    category = models.CharField(_("category"), max_length=500, blank=True, default="")
    tags = ArrayField(models.CharField(max_length=100), verbose_name=_("tags"), default=list, blank=True)
    active = models.BooleanField(_("active"), default=True)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("article"), _("articles")
        constraints = [columns.outside_key("article"), columns.named_outside("article")]

    def __str__(self) -> str:
        return self.title


class Label(ShopModel):
    """What a person, or a rule named in `source`, says about a text, a product or an order.

    `task` is what is judged (sentiment, intent, fraud, …). A free text stands in `text`; anything else is named by
    `subject_type` and `subject_id`. Labels add up: the latest by one person on one subject and task counts.
    """

    class Subject(models.TextChoices):
        TEXT = "text", _("text")
        PRODUCT = "product", _("product")
        ORDER = "order", _("order")
        PAYMENT = "payment", _("payment")
        REVIEW = "review", _("review")
        MENTION = "mention", _("mention")
        MESSAGE = "message", _("message")
        CONVERSATION = "conversation", _("conversation")

    task = models.CharField(_("task"), max_length=64)
    subject_type = models.CharField(_("of a"), max_length=16, choices=Subject)
    subject_id = models.BigIntegerField(_("number"), null=True, blank=True)
    text = models.TextField(_("text"), blank=True, default="")
    value = models.CharField(_("label"), max_length=255)
    details = models.JSONField(_("details"), default=dict, blank=True, help_text=_("Aspects, spans, a remark."))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by"), related_name="+", null=True, blank=True
    )
    source = columns.source()
    at = models.DateTimeField(_("at"), default=now)

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {
        "text": "training of classifiers",
        "details": "training of classifiers",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("label"), _("labels")
        constraints = [
            models.CheckConstraint(
                condition=Q(subject_type="text", subject_id__isnull=True) & ~Q(text="")
                | ~Q(subject_type="text") & Q(subject_id__isnull=False),
                name="shop_label_of_something",
            ),
            models.CheckConstraint(condition=~Q(value=""), name="shop_label_value_given"),
        ]
        indexes = [
            models.Index(fields=["shop", "task", "subject_type", "subject_id", "-at"], name="shop_label_subject"),
            models.Index(fields=["shop", "task", "at"], name="shop_label_at"),
        ]

    def __str__(self) -> str:
        return f"{self.task}: {self.value}"
