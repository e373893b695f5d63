"""The forms by which an experiment is planned, and the holdout is set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.console.arms_field import ArmsField
from commerce_ai.decisions.experiments import canary, outlook, results
from commerce_ai.decisions.experiments.arms import asking
from commerce_ai.decisions.experiments.lifecycle import MOST_HELD_OUT
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.learning.models import Version

PLANNED = 20_000  # where nothing is known
LEAST_PLANNED = 100


class ExperimentForm(forms.ModelForm):
    """`rate` is what the control is expected to do, from which the planned number of visitors is computed."""

    plugin = forms.ChoiceField(
        label=_("Plugin"),
        choices=lambda: [(slug, registry.plugin(slug).verbose_name) for slug in asking()],
        help_text=_("Only those that answer visitors. Prices are the same for everybody, so they can't be drawn."),
    )
    arms = ArmsField(label=_("Arms"), help_text=_("By their weights visitors are shared among them."))
    who = forms.ChoiceField(
        label=_("Who takes part"), required=False,
        choices=[("", _("everybody")), ("known", _("signed-in customers")), ("new", _("everybody else"))],
    )  # fmt: skip
    countries = forms.CharField(
        label=_("Only customers of countries"), required=False, help_text=_("As in DE, AT; empty: of any.")
    )
    rate = forms.FloatField(
        label=_("Conversion now (%)"), min_value=0.01, max_value=90, required=False,
        help_text=_("If given, it is planned for as many visitors as it takes to see a lift of 10 %."),
    )  # fmt: skip

    class Meta:
        model = Experiment
        fields = (
            "name", "hypothesis", "plugin", "placement", "arms", "metric", "unit", "who", "countries", "group",
            "traffic", "minimum_days", "starts_at", "stops_at", "rate", "planned",
        )  # fmt: skip
        help_texts = {
            "name": _("What you will look for in the list."),
            "hypothesis": _("What you expect, and why. Written before the start, it keeps you honest."),
            "placement": _("As the storefront sends it, such as home or cart. Empty: all of the plugin's."),
            "metric": _("The one figure that decides. Satisfaction is the mean rating of conversations, 1 to 5."),
            "unit": _("A customer keeps the arm on every device; a visitor is one browser."),
            "traffic": _("1 is everybody, 0.2 every fifth."),
            "minimum_days": _("Two whole weeks at least: weekdays differ."),
            "starts_at": _("Empty: when you press Start."),
            "stops_at": _("Empty: when you press Stop."),
            "planned": _(
                "Over all arms. Intervals are narrowest at this number. Empty: as many as a lift of 10 % takes, by "
                "what the shop's visitors did in the last two weeks."
            ),
        }
        labels = {"planned": _("Planned visitors"), "traffic": _("Share of visitors that take part")}
        widgets = {
            "hypothesis": forms.Textarea(attrs={"rows": 2}),
            "starts_at": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
            "stops_at": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        }

    def __init__(self, *args: Any, plugin: str = "", version: Version | None = None, **kwargs: Any) -> None:
        """For a new one `plugin` says where it begins, or `version` which one is tried against the live one."""
        super().__init__(*args, **kwargs)
        self.fields["arms"].widget.versions = [
            (each.pk, f"v{each.pk} {each.learner}, {each.get_state_display()}, {each.created_at:%Y-%m-%d}")
            for each in canary.offered(self.instance.shop_id)
        ]
        self.fields["planned"].required = False
        audience = self.instance.parsed_audience
        self.initial["who"] = {True: "known", False: "new", None: ""}[audience.known]
        self.initial["countries"] = ", ".join(audience.countries)
        if self.instance.pk is None:
            draws = asking()
            plugin = (version and canary.plugin_of(version)) or plugin
            plugin = plugin if plugin in draws else next(iter(draws), "")
            self.initial.update(plugin=plugin, arms=trial(version) if version else example(plugin), planned=None)
            if version:
                self.initial["name"] = say("%(version)s on a share of the visitors") % {"version": version}
            if plugin:
                self.initial["unit"] = draws[plugin].units[0]

    def clean_countries(self) -> list[str]:
        found = [each.upper() for each in re.split(r"[\s,;]+", self.cleaned_data["countries"]) if each]
        for each in found:
            if not re.fullmatch("[A-Z]{2}", each):
                raise forms.ValidationError(say("%(country)s is no country, as DE is.") % {"country": each})
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        known = {"known": True, "new": False}.get(cleaned.get("who", ""))
        audience = {"known": known, "countries": cleaned.get("countries")}
        self.instance.audience = {name: value for name, value in audience.items() if value not in (None, [])}
        if cleaned.get("rate") or not cleaned.get("planned"):
            cleaned["planned"] = self._planned(cleaned)
        return cleaned

    def _planned(self, cleaned: dict[str, Any]) -> int:
        """Visitors in all; the usual number where the arms are not ones, which their own check says."""
        asked = ("plugin", "placement", "arms", "metric", "unit")
        like = Experiment(shop=self.instance.shop, **{name: cleaned.get(name) or "" for name in asked})
        try:
            if rate := (cleaned.get("rate") or 0) / 100:
                return max(int(results.needed(like, rate, rate * (1 - rate))), LEAST_PLANNED)
            found = outlook.outlook(like)
        except (ValueError, TypeError, ZeroDivisionError):
            return PLANNED
        return max(min(found.needed, 10**9), LEAST_PLANNED) if found else PLANNED


class HoldoutForm(forms.Form):
    percent = forms.FloatField(
        label=_("Visitors who see no AI (%)"), min_value=0, max_value=100 * MOST_HELD_OUT,
        help_text=_(
            "5 is usual. They get every plugin's fallback; of their payments rules alone decide. 0 ends it, another "
            "share starts the measurement anew."
        ),
    )  # fmt: skip


def example(plugin: str) -> list[dict[str, Any]]:
    """The first question about any plugin: is it better than none?"""
    emergency = asking()[plugin].emergency if plugin in asking() else ""
    return [
        {"name": say("without AI"), "weight": 1, "config": {emergency: True} if emergency else {}},
        {"name": say("with AI"), "weight": 1, "config": {}},
    ]


def trial(version: Version) -> list[dict[str, Any]]:
    """A version that a few see first, against what is live."""
    return [
        {"name": say("live"), "weight": 95, "config": {}},
        {"name": f"v{version.pk}", "weight": 5, "config": {}, "version": version.pk},
    ]


@dataclass(frozen=True)
class Setting:
    """One setting that an arm can have."""

    name: str
    label: Any
    help: Any
    values: str


def settings_of(plugin: str) -> list[Setting]:
    """What an arm of the plugin may hold."""
    form = registry.plugin(plugin).settings_form_class() if plugin in asking() else None
    fields = form.base_fields.items() if form else ()
    return [Setting(name, each.label, each.help_text, _values(each)) for name, each in fields if _open(each)]


def _open(field: forms.Field) -> bool:
    """Neither a secret nor longer than a line."""
    return not isinstance(field.widget, (forms.PasswordInput, forms.Textarea))


def _values(field: Any) -> str:
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        return ", ".join(str(name) for name, _words in choices if name != "")
    if isinstance(field, forms.BooleanField):
        return say("yes, no")
    if isinstance(field, (forms.IntegerField, forms.FloatField)):
        low, high = ("" if each is None else f"{each:,}" for each in (field.min_value, field.max_value))
        return f"{low} … {high}".strip(" ") if low or high else say("a number")
    return say("text")
