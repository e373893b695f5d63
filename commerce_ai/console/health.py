"""Findings on a shop's models as the console shows them, and the plugins' tiles."""

from __future__ import annotations

import logging
from typing import Any

from django.utils.translation import gettext as _

from commerce_ai.learning.health import Model, Survey, findings, models_of, survey
from commerce_ai.plugin import Card, Plugin
from commerce_ai.shop.models import Shop

__all__ = ["Model", "Survey", "cards", "findings", "models_of", "survey"]

logger = logging.getLogger(__name__)


def cards(plugin: Plugin, request: Any, shop: Shop) -> list[Card]:
    """The plugin's tiles; a failing one says so instead of breaking the first page."""
    try:
        return list(plugin.cards(request, shop))
    except Exception as error:
        logger.exception("cards() of the plugin %s failed", plugin.slug)
        return [Card(plugin.verbose_name, "–", _("Its cards failed: %(error)s") % {"error": error}, tone="bad")]
