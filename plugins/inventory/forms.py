"""What a shop can set about its inventory."""

from __future__ import annotations

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _

from commerce_ai.decisions.automatic import ModeForm

SLOT = "inventory.demand"


class SettingsForm(ModeForm):
    automatic_most_money = forms.DecimalField(
        label=_("Largest automatic order line"), min_value=0, max_digits=12, decimal_places=2, initial=Decimal(500),
        help_text=_("In the shop's currency. What costs more waits for a person in automatic mode too."),
    )  # fmt: skip
    review_days = forms.FloatField(
        label=_("Days between two looks at the stock"), min_value=0, max_value=90, initial=1.0,
        help_text=_("How often proposals are decided: stock has to last until the next time."),
    )  # fmt: skip
    cycle_days = forms.FloatField(
        label=_("Days that one order is for"), min_value=1, max_value=365, initial=14.0,
        help_text=_("Beyond the lead time. Longer: fewer, larger orders."),
    )  # fmt: skip
    lead_days = forms.FloatField(
        label=_("Lead time (days)"), min_value=0, max_value=365, initial=7.0,
        help_text=_("Where neither the supplied product nor the supplier has one."),
    )  # fmt: skip
    lead_deviation_days = forms.FloatField(
        label=_("Standard deviation of the lead time (days)"), min_value=0, max_value=90, initial=1.0,
        help_text=_("Where the supplier has none."),
    )  # fmt: skip
    service_level = forms.FloatField(
        label=_("Service level"), min_value=0.5, max_value=0.999, initial=0.95,
        help_text=_("Chance of no shortage, for products without a price, a cost or a margin."),
    )  # fmt: skip
    least_service_level = forms.FloatField(
        label=_("Least service level"), min_value=0.5, max_value=0.999, initial=0.8,
        help_text=_("Others get the one at which lost margin and holding cost are in balance, within these bounds."),
    )  # fmt: skip
    most_service_level = forms.FloatField(
        label=_("Highest service level"), min_value=0.5, max_value=0.999, initial=0.98
    )
    holding_rate = forms.FloatField(
        label=_("Holding cost a year"), min_value=0, max_value=5, initial=0.25,
        help_text=_("As a share of the unit cost: capital, space, ageing."),
    )  # fmt: skip
    valid_days = forms.IntegerField(
        label=_("Days that a proposal stands"), min_value=1, max_value=90, initial=7,
        help_text=_("It expires when nobody decides it; the next look makes a new one."),
    )  # fmt: skip
    ma28_only = forms.BooleanField(
        label=_("Emergency: moving average only"), required=False, initial=False,
        help_text=_("No learned forecast answers while this is on; answers say so, and nothing new is proposed."),
    )  # fmt: skip
