"""What a shop can set about how its texts are read."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from plugins.sentiment.topics import DEFAULT, BadTaxonomy, taxonomy_of

SLOT = "sentiment.classifier"


class SettingsForm(forms.Form):
    topics = forms.CharField(
        label=_("Topics"),
        widget=forms.Textarea(attrs={"rows": 12}),
        initial=DEFAULT,
        strip=False,
        max_length=20_000,
        help_text=_("A line a topic: its name, a colon, its words. batter* finds batteries, too."),
    )
    false_alarms_a_year = forms.FloatField(
        label=_("False alarms a year"),
        min_value=0.1,
        max_value=100,
        initial=4.0,
        help_text=_("How many alerts without a cause you accept at most. Fewer means that small surges are missed."),
    )
    messages = forms.BooleanField(
        label=_("Judge messages to customer service"),
        required=False,
        initial=False,
        help_text=_(
            "Most are questions, not opinions: label some before you switch this on, or they read as complaints."
        ),
    )
    unjudged = forms.BooleanField(
        label=_("Emergency: judge nothing"),
        required=False,
        initial=False,
        help_text=_("No version judges while this is on; answers say so. Topics are still found."),
    )

    def clean_topics(self) -> Any:
        try:
            taxonomy_of(self.cleaned_data["topics"])
        except BadTaxonomy as error:
            raise ValidationError(_("%(error)s"), params={"error": str(error)}) from error
        return self.cleaned_data["topics"]
