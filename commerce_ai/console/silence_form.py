"""A shop's own row, with what it takes silence for: one choice for each purpose of consent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose, Silence
from commerce_ai.shop.models import Shop

FIELDS = tuple(f"silence_{purpose.value}" for purpose in Purpose)


def _choice(purpose: Purpose) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=capfirst(purpose.label),
        choices=Silence.choices,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("What holds for people who were not asked, or did not answer."),
    )


class SilenceForm(forms.ModelForm):
    """`save_silences` is called once the row is there."""

    silence_analytics = _choice(Purpose.ANALYTICS)
    silence_personalisation = _choice(Purpose.PERSONALISATION)
    silence_ads = _choice(Purpose.ADS)
    silence_model_training = _choice(Purpose.MODEL_TRAINING)

    class Meta:
        model = Shop
        fields = ("name", "slug", "currency", "timezone", "country")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for purpose, silence in consent.silences_of(self.instance.settings or {}).items():
            if (field := self.fields.get(f"silence_{purpose.value}")) is not None:
                field.initial = silence.value

    def save_silences(self) -> None:
        given = {
            name.removeprefix("silence_"): self.cleaned_data[name] for name in FIELDS if self.cleaned_data.get(name)
        }
        known = consent.silences_of(self.instance.settings or {})
        if changed := {name: value for name, value in given.items() if known[Purpose(name)] != value}:
            consent.set_silences(self.instance, changed)
