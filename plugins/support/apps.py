"""Answers customers from the shop's own facts and articles, or hands over to a person."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Plugin, Slot


class SupportPlugin(Plugin):
    name = "plugins.support"
    slug = "support"
    version = "1.0"
    verbose_name = _("Customer service")
    summary = _("Answers customers from the shop's own facts and articles, or hands over to a person.")
    icon = "support_agent"
    fallback = _("A person answers.")
    slots = (
        Slot(
            "support.intent",
            single=True,
            inputs={"texts": ("text", "intent")},
            requests={"texts": ("text",)},
            output=("intent", "confidence", "out_of_scope_score"),
            doc="What a customer wants, and whether the shop has ever heard it.",
        ),
    )
