"""What a shop can set about its customer service."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from plugins.support.topics import DEFAULT, MOST_LINES, BadTopics, topics_of

SLOT = "support.intent"
FAULTS = {
    "shape": _("Line %(line)d: it needs an intent, a colon and topics."),
    "twice": _("Line %(line)d: its intent stands there twice."),
    "many": _("There are more than %(most)d lines."),
}


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
    sure_nearness = forms.FloatField(
        label=_("Nearness of an article on another topic"),
        min_value=0,
        max_value=1,
        initial=0.55,
        help_text=_("What is not of the intent's topics is quoted only from this nearness on."),
    )
    topics = forms.CharField(
        label=_("Topics of intents"),
        widget=forms.Textarea(attrs={"rows": 10}),
        required=False,
        initial=DEFAULT,
        strip=False,
        max_length=20_000,
        help_text=_("A line an intent: its name, a colon, the categories or tags of the articles that answer it."),
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

    def clean_topics(self) -> Any:
        try:
            topics_of(self.cleaned_data["topics"])
        except BadTopics as error:
            raise ValidationError(FAULTS[error.fault], params={"line": error.line, "most": MOST_LINES}) from error
        return self.cleaned_data["topics"]
