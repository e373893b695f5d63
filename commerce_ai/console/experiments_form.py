"""The forms by which an experiment is planned, and the holdout is set."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.decisions.experiments import results
from commerce_ai.decisions.experiments.arms import asking
from commerce_ai.decisions.experiments.lifecycle import MOST_HELD_OUT
from commerce_ai.decisions.experiments.models import Experiment

EXAMPLE = [
    {"name": "bestsellers", "weight": 1, "config": {"source": "bestsellers"}},
    {"name": "AI", "weight": 1, "config": {"source": "auto"}},
]


class ExperimentForm(forms.ModelForm):
    """`rate` is what the control is expected to do, from which the planned number of visitors is computed."""

    plugin = forms.ChoiceField(label=_("Plugin"), choices=lambda: [
        (each.slug, each.verbose_name) for each in registry.plugins() if each.slug in asking()
    ])  # fmt: skip
    rate = forms.FloatField(
        label=_("Conversion now (%)"), min_value=0.01, max_value=90, required=False,
        help_text=_("If given, it is planned for as many visitors as it takes to see a lift of 10 %."),
    )  # fmt: skip

    class Meta:
        model = Experiment
        fields = (
            "name", "hypothesis", "plugin", "placement", "arms", "unit", "audience", "metric", "group", "traffic",
            "minimum_days", "starts_at", "stops_at", "rate", "planned",
        )  # fmt: skip
        help_texts = {
            "arms": _("The first is the control. Each config lays settings of the plugin over the shop's own."),
            "audience": _('As in {"known": true, "countries": ["DE"]}; empty for everybody.'),
            "planned": _("Intervals are narrowest at this number of visitors, over all arms."),
        }
        widgets = {
            "starts_at": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
            "stops_at": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.fields["arms"].initial = EXAMPLE

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("audience") is None:
            cleaned["audience"] = {}
        if cleaned.get("rate") and isinstance(cleaned.get("arms"), list) and len(cleaned["arms"]) > 1:
            rate = cleaned["rate"] / 100
            cleaned["planned"] = _planned(cleaned["arms"], rate) or cleaned.get("planned")
        return cleaned


class HoldoutForm(forms.Form):
    percent = forms.FloatField(
        label=_("Visitors who see no AI (%)"), min_value=0, max_value=100 * MOST_HELD_OUT,
        help_text=_("5 is usual. 0 ends it. Another share starts the measurement anew."),
    )  # fmt: skip


def _planned(arms: Any, rate: float) -> int | None:
    """Visitors in all; None where the arms are not ones, which their own check says."""
    try:
        return max(int(results.needed(Experiment(arms=arms), rate, rate * (1 - rate))), 100)
    except (ValueError, TypeError, ZeroDivisionError):
        return None
