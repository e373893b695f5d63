"""What a shop can set about fraud."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from plugins.fraud.policy import Costs
from plugins.fraud.rules import Limits

SLOT = "fraud.score"


class SettingsForm(forms.Form):
    review_cost = forms.FloatField(
        label=_("Cost of a review"),
        min_value=0,
        initial=Costs.review,
        help_text=_("What a person's look at one payment costs, in the shop's currency."),
    )
    chargeback_fee = forms.FloatField(
        label=_("Fee of a chargeback"),
        min_value=0,
        initial=Costs.chargeback_fee,
        help_text=_("What the bank asks on top of the amount, in the shop's currency."),
    )
    margin = forms.FloatField(
        label=_("Margin"),
        min_value=0,
        max_value=1,
        initial=Costs.margin,
        help_text=_("Share of the amount that is lost with a sale, between 0 and 1."),
    )
    annoyance = forms.FloatField(
        label=_("Later sales lost"),
        min_value=0,
        max_value=100,
        initial=Costs.annoyance,
        help_text=_("How many more such sales are lost when an honest customer is refused."),
    )
    reviews_a_day = forms.IntegerField(
        label=_("Reviews a day"),
        min_value=0,
        max_value=1_000_000,
        initial=50,
        help_text=_("How many payments people can look at. Beyond it, the cheaper of allowing and blocking is chosen."),
    )
    review_from = forms.FloatField(
        label=_("Review from"),
        min_value=0,
        max_value=1,
        initial=Costs.review_from,
        help_text=_("Below this probability of fraud nobody is reviewed."),
    )
    block_from = forms.FloatField(
        label=_("Block from"),
        min_value=0,
        max_value=1,
        initial=Costs.block_from,
        help_text=_("Below this probability of fraud nobody is blocked, whatever it costs."),
    )
    customer_a_day = forms.IntegerField(
        label=_("Rule: payments a day of a customer"), min_value=1, initial=Limits.customer_a_day
    )
    device_a_day = forms.IntegerField(
        label=_("Rule: payments a day of a device"), min_value=1, initial=Limits.device_a_day
    )
    amount_limit = forms.FloatField(
        label=_("Rule: highest ordinary amount"),
        min_value=0.01,
        initial=Limits.amount,
        help_text=_("In the shop's currency. Rules answer while no version is live."),
    )
    countries = forms.BooleanField(
        label=_("Rule: countries must agree"),
        required=False,
        initial=True,
        help_text=_("Of card, connection and addresses, where they are known."),
    )
    human_review_days = forms.IntegerField(
        label=_("Days for a human decision"),
        min_value=1,
        max_value=30,
        initial=3,
        help_text=_("How long people have who are asked to look at a verdict themselves."),
    )
    rules_only = forms.BooleanField(
        label=_("Emergency: rules only"),
        required=False,
        initial=False,
        help_text=_("No learner answers while this is on; answers say so."),
    )
