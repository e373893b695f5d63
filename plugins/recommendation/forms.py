"""What a shop can set about its recommendations."""

from __future__ import annotations

import logging
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry

logger = logging.getLogger(__name__)

AUTO, ONLY_BESTSELLERS = "auto", "bestsellers"
SLOT = "recommendation.candidates"


def sources() -> list[tuple[str, Any]]:
    """`auto`, every learner that can fill the slot, third parties' included, and none of them (experiments)."""
    learners = ((name, name) for name in registry.learner_paths() if _fills(name))
    return [(AUTO, _("the best on validation")), *learners, (ONLY_BESTSELLERS, _("only the shop's bestsellers"))]


def _fills(name: str) -> bool:
    try:
        return registry.learner(name).slot == SLOT
    except Exception:  # a third party's package that can't be imported must not take the settings with it
        logger.warning("the learner %s can't be imported", name, exc_info=True)
        return False


class SettingsForm(forms.Form):
    source = forms.ChoiceField(
        label=_("Source"),
        choices=sources,
        initial=AUTO,
        help_text=_("Which learner answers first. The bestsellers fill up whatever is missing."),
    )
    items = forms.IntegerField(
        label=_("Products in an answer"),
        min_value=1,
        max_value=100,
        initial=10,
        help_text=_("Where the storefront does not say how many it wants."),
    )
    exclude_purchased = forms.BooleanField(
        label=_("Leave out what was bought"),
        required=False,
        initial=True,
        help_text=_("And what was looked at in the running visit. Switch it off where people buy the same again."),
    )
    bestsellers_only = forms.BooleanField(
        label=_("Emergency: bestsellers only"),
        required=False,
        initial=False,
        help_text=_("No learner answers while this is on; answers say so."),
    )
