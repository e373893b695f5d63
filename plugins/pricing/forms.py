"""What a shop can set about its prices."""

from __future__ import annotations

import re

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from commerce_ai.decisions.automatic import ModeForm


def check_ending(text: str) -> None:
    """Raise ValidationError unless `text` is how a price may end."""
    if text and not re.fullmatch(r"\d{0,3}(\.\d{1,3})?", text):
        raise ValidationError(_("Digits, as in .99, 9.90 or 80."))


class SettingsForm(ModeForm):
    automatic_step_percent = forms.FloatField(
        label=_("Largest automatic step (%)"), min_value=0.1, max_value=50, initial=5.0,
        help_text=_("Larger changes wait for a person in automatic mode too, as do cuts of what runs out soon."),
    )  # fmt: skip
    min_margin_percent = forms.FloatField(
        label=_("Least margin (% of cost)"), min_value=0, max_value=1000, initial=10.0,
        help_text=_("The floor: no price is proposed below the cost and this much."),
    )  # fmt: skip
    max_step_percent = forms.FloatField(
        label=_("Largest step (%)"), min_value=0.1, max_value=50, initial=10.0,
        help_text=_("How far a proposal may be from the present price."),
    )  # fmt: skip
    above_highest_percent = forms.FloatField(
        label=_("Cap (% above the highest price)"), min_value=0, max_value=100, initial=5.0,
        help_text=_("Over the highest price that customers have met: beyond it nothing is known."),
    )  # fmt: skip
    ending = forms.CharField(
        label=_("Prices end in"), max_length=7, required=False, initial="", validators=[check_ending],
        help_text=_("As in .99, 9.90 or 80; empty: any."),
    )  # fmt: skip
    tax_percent = forms.FloatField(
        label=_("Tax included in prices (%)"), min_value=0, max_value=100, initial=0.0,
        help_text=_("Value added tax, where the shop's prices include it and its costs do not."),
    )  # fmt: skip
    least_observations = forms.IntegerField(
        label=_("Least weeks of evidence"), min_value=4, max_value=1000, initial=12,
        help_text=_("Products with fewer weeks of sales get no proposal."),
    )  # fmt: skip
    rest_days = forms.IntegerField(
        label=_("Days of rest"), min_value=0, max_value=365, initial=28,
        help_text=_("After a decision on a product's price, until the next is proposed."),
    )  # fmt: skip
    announce_reductions = forms.BooleanField(
        label=_("Announce reductions"), required=False, initial=False,
        help_text=_("Keep an approved lower price as an announced reduction, with the lowest price of 30 days."),
    )  # fmt: skip
    catalogue_only = forms.BooleanField(
        label=_("Emergency: catalogue prices only"), required=False, initial=False,
        help_text=_("Nothing is proposed or carried out while this is on; answers say so."),
    )  # fmt: skip
