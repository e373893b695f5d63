from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from commerce_ai.console.filters import during, one_of
from commerce_ai.console.shop_admin import ShopAdmin, ShopInline
from commerce_ai.shop.models import Article, Conversation, Label, Mention, Message, Review


@admin.register(Review)
class ReviewAdmin(ShopAdmin):
    list_display = ("product", "rating", "title", "language", "status", "verified", "at", "source")
    list_filter = ("status", one_of("rating", _("rating"), range(1, 6)), "verified", during("at"))
    search_fields = ("external_id__startswith",)
    ordering = ("-id",)
    next_step = _("No reviews yet. Load them from a file:")


@admin.register(Mention)
class MentionAdmin(ShopAdmin):
    list_display = ("platform", "title", "brand", "product", "reach", "language", "at")
    list_filter = (during("at"),)
    search_fields = ("external_id__startswith", "author__startswith")
    ordering = ("-id",)
    next_step = _("No mentions yet. Load what news and social networks say about the shop from a file:")


class MessageInline(ShopInline):
    model = Message
    fields = ("external_id", "role", "text", "at")
    per_page = 50


@admin.register(Conversation)
class ConversationAdmin(ShopAdmin):
    list_display = ("external_id", "subject", "channel", "status", "customer", "assignee", "opened_at")
    list_filter = ("status", during("opened_at"))
    search_fields = ("external_id__startswith",)
    ordering = ("-id",)
    inlines = (MessageInline,)
    next_step = _("No conversations yet. They begin with the first message to customer service.")


@admin.register(Message)
class MessageAdmin(ShopAdmin):
    list_display = ("conversation", "role", "author", "at")
    list_filter = ("role", during("at"))
    search_fields = ("external_id__startswith",)
    ordering = ("-id",)
    next_step = _("No messages yet. They begin with the first conversation.")


@admin.register(Article)
class ArticleAdmin(ShopAdmin):
    list_display = ("title", "category", "language", "active", "updated_at")
    list_filter = ("active",)
    search_fields = ("external_id__startswith", "title__icontains")
    ordering = ("-id",)
    next_step = _("No articles yet. Answers to customers are drawn from them: write the first, or load a file.")


@admin.register(Label)
class LabelAdmin(ShopAdmin):
    list_display = ("task", "subject_type", "subject_id", "value", "by", "source", "at")
    list_filter = ("subject_type", during("at"))
    search_fields = ("task__startswith", "value__startswith")
    ordering = ("-id",)
    exclude = ("by",)
    next_step = _("No labels yet. What people say about texts, products and orders here is what learners learn from.")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.by = request.user
        super().save_model(request, obj, form, change)
