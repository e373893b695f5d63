"""What a shop keeps of its plugins: on or off, settings, and when each schedule last went well."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings as house
from django.db import models
from django.utils.translation import gettext_lazy as _

from commerce_ai import crypto
from commerce_ai.shop.models import Shop


class PluginState(models.Model):
    """One plugin in one shop. Settings are a form's cleaned data; secrets in them are encrypted."""

    shop = models.ForeignKey(Shop, models.CASCADE, verbose_name=_("shop"), related_name="+")
    plugin = models.SlugField(_("plugin"), max_length=64)
    on = models.BooleanField(_("on"), default=False)
    settings = models.JSONField(_("settings"), default=dict, blank=True)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)
    changed_by = models.ForeignKey(
        house.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("changed by"),
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        verbose_name, verbose_name_plural = _("plugin"), _("plugins")
        constraints = [models.UniqueConstraint(fields=["shop", "plugin"], name="plugin_state_once")]

    def __str__(self) -> str:
        return f"{self.plugin} in {self.shop_id}"

    def write_settings(self, cleaned: dict[str, Any], form: type[forms.Form]) -> None:
        hidden = _secret_fields(form)
        self.settings = {
            name: crypto.encrypt(str(value), context=self._context(name)).hex()
            if name in hidden and value
            else _plain(value)
            for name, value in cleaned.items()
        }

    def read_settings(self, form: type[forms.Form] | None) -> dict[str, Any]:
        """The settings as the form would have cleaned them; what it no longer accepts falls to the default."""
        if form is None:
            return {}
        values = {}
        for name, field in form.base_fields.items():
            if name not in self.settings:
                continue
            stored = self.settings[name]
            if name in _secret_fields(form) and stored:
                stored = crypto.decrypt(bytes.fromhex(stored), context=self._context(name))
            try:
                values[name] = field.clean(stored)
            except forms.ValidationError:
                continue
        return values

    def sealed(self) -> dict[str, bytes]:
        """The secrets among the settings, as they are stored; also those of a plugin that is not installed now."""
        found = {}
        for name, value in self.settings.items():
            try:
                sealed = bytes.fromhex(value) if isinstance(value, str) else b""
                crypto.decrypt(sealed, context=self._context(name))
            except ValueError:  # an ordinary setting
                continue
            found |= {name: sealed} if sealed else {}
        return found

    def reseal(self) -> bool:
        """Bring the secrets under the current key; whether any was not."""
        fresh = {
            name: crypto.reencrypt(value, context=self._context(name)).hex() for name, value in self.sealed().items()
        }
        moved = any(self.settings[name] != value for name, value in fresh.items())
        self.settings = {**self.settings, **fresh}
        return moved

    def _context(self, name: str) -> str:
        return f"plugin-settings:{self.shop_id}:{self.plugin}:{name}"


class ScheduleState(models.Model):
    """When a schedule of a plugin last started and last went well: due jobs are computed from the last success."""

    shop = models.ForeignKey(Shop, models.CASCADE, verbose_name=_("shop"), related_name="+")
    plugin = models.SlugField(_("plugin"), max_length=64)
    name = models.SlugField(_("schedule"), max_length=64)
    started_at = models.DateTimeField(_("last started"), null=True, blank=True)
    succeeded_at = models.DateTimeField(_("last success"), null=True, blank=True)
    error = models.TextField(_("last error"), blank=True)
    periodic_task = models.OneToOneField(
        "django_celery_beat.PeriodicTask",
        models.CASCADE,
        verbose_name=_("timing"),
        related_name="schedule_state",
    )

    class Meta:
        verbose_name, verbose_name_plural = _("schedule"), _("schedules")
        constraints = [models.UniqueConstraint(fields=["shop", "plugin", "name"], name="schedule_state_once")]

    def __str__(self) -> str:
        return f"{self.plugin}.{self.name} in {self.shop_id}"


def _secret_fields(form: type[forms.Form]) -> set[str]:
    return {name for name, field in form.base_fields.items() if isinstance(field.widget, forms.PasswordInput)}


def _plain(value: Any) -> Any:
    """JSON of a cleaned value: decimals, dates and the like as text, which the field's own `clean` reads again."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (list, tuple, set)):
        return [_plain(each) for each in value]
    return str(value)
