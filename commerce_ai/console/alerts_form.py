"""The forms of alerts: a rule, a channel, and how much a shop wants to be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.alerts import outgoing, rules, sending
from commerce_ai.alerts.models import AlertRule, Channel
from commerce_ai.shop.models import DailyMetric, Shop

KNOWN_DAYS = 30  # whose figures a rule can be about


class MetricRuleForm(forms.ModelForm):
    """A rule on a figure that the shop has."""

    metric = forms.ChoiceField(label=_("Figure"))

    class Meta:
        model = AlertRule
        fields = ("metric", "dimension", "comparison", "direction", "threshold", "window_days", "severity", "on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {*_names(self.instance.shop), *rules.WATCHED, self.instance.metric or rules.WATCHED[0]}
        self.fields["metric"].choices = [(name, name) for name in sorted(names)]  # type: ignore[attr-defined]
        self.fields["threshold"].required = True
        if self.instance.pk is None:
            self.fields["threshold"].initial = rules.ODD
        self.fields["window_days"].min_value = 1  # type: ignore[attr-defined]

    def clean_window_days(self) -> int:
        days = self.cleaned_data["window_days"]
        if not 1 <= days <= 28:
            raise forms.ValidationError(_("From 1 to 28 days."))
        return days


class HealthRuleForm(forms.ModelForm):
    """A check of health: how bad it is, and from when on."""

    class Meta:
        model = AlertRule
        fields = ("threshold", "severity", "on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if rules.HEALTH[self.instance.check_name][1] is None:
            del self.fields["threshold"]
        else:
            self.fields["threshold"].required = True

    def clean_threshold(self) -> float:
        given = self.cleaned_data["threshold"]
        if not 1 <= given <= 10_000:
            raise forms.ValidationError(_("From 1 to 10,000."))
        return given


class ChannelForm(forms.ModelForm):
    """The address is written and never shown; left empty, the one that is there stays."""

    address = forms.CharField(
        label=_("Address"), required=False, max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "A webhook's https:// address, or as apprise writes them: mailtos://user:password@example.com?to=desk@example.com,"
            " slack://token-a/token-b/token-c/#shop. It is stored encrypted and not shown again."
        ),
    )  # fmt: skip

    class Meta:
        model = Channel
        fields = ("kind", "name", "address", "min_severity", "on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            del self.fields["kind"]
            self.fields["address"].widget.attrs["placeholder"] = _("kept; type to replace")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind, address = cleaned.get("kind") or self.instance.kind, (cleaned.get("address") or "").strip()
        if not address and self.instance.pk is None:
            self.add_error("address", _("This field is required."))
        elif address and kind:
            try:
                sending.check_address(kind, address)
                self.instance.url = address
            except outgoing.Refused as error:
                self.add_error("address", str(error))
        return cleaned


class BudgetForm(forms.Form):
    most_a_day = forms.IntegerField(
        label=_("Told at once, at most a day"), min_value=0, max_value=100,
        help_text=_("Half of them are kept for what is critical. The rest goes into the digest."),
    )  # fmt: skip
    digest_hour = forms.IntegerField(label=_("Hour of the digest, on the shop's clock"), min_value=0, max_value=23)


def _names(shop: Shop) -> list[str]:
    since = timezone.localdate() - timedelta(days=KNOWN_DAYS)
    rows = DailyMetric.objects.of(shop).filter(day__gte=since).order_by("name")
    return list(rows.values_list("name", flat=True).distinct())
