"""What a shop can set about its customer service."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

SLOT = "support.intent"


class SettingsForm(forms.Form):
    least_confidence = forms.FloatField(
        label=_("Least confidence"),
        min_value=0,
        max_value=1,
        initial=0.5,
        help_text=_("Below this probability of an intent, articles are searched instead of answering by template."),
    )
    most_oddness = forms.FloatField(
        label=_("Out of scope from"),
        min_value=0,
        max_value=1,
        initial=0.95,
        help_text=_("A question odder than this share of known ones has no intent; 0.95 rejects one known in twenty."),
    )
    least_nearness = forms.FloatField(
        label=_("Least nearness of an article"),
        min_value=0,
        max_value=1,
        initial=0.38,
        help_text=_("Cosine between question and passage; below it a person answers."),
    )
    handover_intents = forms.CharField(
        label=_("Always to a person"),
        required=False,
        initial="talk_to_a_person",
        help_text=_("Intents that are handed over at once, with commas between."),
    )
    people_only = forms.BooleanField(
        label=_("Emergency: people only"),
        required=False,
        initial=False,
        help_text=_("Every message is handed over while this is on; answers say so."),
    )
