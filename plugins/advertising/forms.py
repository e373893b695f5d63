"""What a shop can set about its advertising, and the rule of an audience."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import Campaign, Shop
from plugins.advertising.features import SEGMENTS

SEGMENT_NAMES = {
    "champions": _("champions"), "loyal": _("loyal"), "new": _("new"), "promising": _("promising"),
    "at_risk": _("at risk"), "lost": _("lost"), "": _("small segments together"),
}  # fmt: skip


class SettingsForm(forms.Form):
    explore_percent = forms.IntegerField(
        label=_("Chosen by chance (%)"),
        min_value=1,
        max_value=50,
        initial=10,
        help_text=_("Of the customers, for whom chance decides instead of the model. Without them nothing is learned."),
    )
    random_percent = forms.IntegerField(
        label=_("Shown while there is no model (%)"),
        min_value=1,
        max_value=99,
        initial=50,
        help_text=_("Everybody else is the control group, from which the first model learns."),
    )
    most_a_day = forms.IntegerField(label=_("Campaigns a person and day, at most"), min_value=1, initial=2)
    most_a_week = forms.IntegerField(label=_("Campaigns a person and seven days, at most"), min_value=1, initial=5)
    outcome_days = forms.IntegerField(
        label=_("Days in which an order counts"),
        min_value=1,
        max_value=90,
        initial=14,
        help_text=_("After a customer was shown a campaign, or was left alone by chance."),
    )
    margin_percent = forms.FloatField(
        label=_("Margin of an order (%)"),
        min_value=0.1,
        max_value=100,
        initial=30,
        help_text=_("What an extra order is worth: this share of what the customer spends."),
    )
    contact_cost = forms.FloatField(
        label=_("Cost of showing a campaign once"),
        min_value=0,
        initial=0.05,
        help_text=_("In the shop's currency; used where neither the campaign (cost_per_contact) nor its spend says."),
    )
    hold = forms.BooleanField(
        label=_("Emergency: show no campaign"),
        required=False,
        initial=False,
        help_text=_("Every answer is none while this is on, and says so."),
    )


class AudienceForm(forms.Form):
    """A rule: everybody who fits all that is filled in, and may be targeted."""

    name = forms.CharField(label=_("Name"), max_length=200)
    segments = forms.MultipleChoiceField(
        label=_("Segments"), required=False, choices=[(name, SEGMENT_NAMES[name]) for name in SEGMENTS]
    )
    campaign = forms.ChoiceField(label=_("Campaign"), required=False, help_text=_("Whose uplift counts; else any."))
    top_percent = forms.FloatField(
        label=_("Highest uplift (%)"), required=False, min_value=0.1, max_value=100,
        help_text=_("Of those who fit the rest, so many per cent with the highest uplift above zero."),
    )  # fmt: skip
    minimum_value = forms.FloatField(label=_("Lowest expected value"), required=False, min_value=0)

    def __init__(self, *args: Any, shop: Shop, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Campaign.objects.of(shop).order_by("name").values_list("pk", "name")
        self.fields["campaign"].choices = [("", _("any")), *((str(pk), name) for pk, name in rows)]  # type: ignore[attr-defined]
