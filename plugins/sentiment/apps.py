"""Reads what people say about products and the shop, and tells when it turns."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Plugin, Slot


class SentimentPlugin(Plugin):
    name = "plugins.sentiment"
    slug = "sentiment"
    version = "1.0"
    verbose_name = _("Sentiment")
    summary = _("Reads what people say about products and the shop, and tells when it turns.")
    icon = "mood"
    fallback = _("Texts stay unjudged; the answer says so.")
    slots = (
        Slot(
            "sentiment.classifier",
            single=True,
            inputs={"texts": ("text", "label")},
            requests={"texts": ("text",)},
            output=("label",),
            doc="How a text feels about what it speaks of.",
        ),
    )
