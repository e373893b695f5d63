"""What the JSON of an experiment holds: its arms and whom it is for, read and checked by one schema."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.plugin import Draws

HOLDOUT, REST = "holdout", "ai"
MOST_ARMS = 8


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`config` overlays the plugin's settings for whoever is in the arm; the first arm is the control. With `version`
    that version of a learner answers in the place of the live one (`canary.py`)."""

    name: str
    weight: float = 1.0
    config: dict[str, Any] = {}
    version: int | None = None


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`known`: only customers who are proven (true), only everybody else (false), or all. `countries`: of customers'
    own rows, so that with any country only known customers take part."""

    known: bool | None = None
    countries: tuple[str, ...] = ()


def arms_of(kept: Any) -> tuple[Arm, ...]:
    """Raises msgspec.ValidationError, which names the place."""
    return msgspec.convert(kept, tuple[Arm, ...])


def audience_of(kept: Any) -> Audience:
    return msgspec.convert(kept, Audience)


def asking() -> dict[str, Draws]:
    """The plugins that draw whom they answer: only there somebody can be in an arm, or held out."""
    return {each.slug: each.draws for each in registry.plugins() if each.draws is not None}


def check_plugin(plugin: str) -> None:
    """Raise ValidationError for a plugin whose answers go to nobody in particular; of one that there is not, arms
    say so."""
    if plugin in asking() or plugin not in {each.slug for each in registry.plugins()}:
        return
    found = registry.plugin(plugin)
    raise ValidationError(str(found.undrawn) or say("%(plugin)s answers no visitors.") % {"plugin": found.verbose_name})


def check_unit(unit: str, plugin: str) -> None:
    """Raise ValidationError for a unit that the plugin's requests don't name."""
    draws = asking().get(plugin)
    if draws and unit not in draws.units:
        words = say("%(plugin)s knows no visitors, only customers: choose the unit customer.")
        raise ValidationError(words % {"plugin": registry.plugin(plugin).verbose_name})


def check_arms(kept: Any, plugin: str) -> None:
    """Raise ValidationError unless these are two to eight arms that `plugin` understands."""
    try:
        arms = arms_of(kept)
    except msgspec.ValidationError as error:
        raise ValidationError(str(error)) from None
    if not 2 <= len(arms) <= MOST_ARMS:
        raise ValidationError(say("An experiment has two to %(most)d arms.") % {"most": MOST_ARMS})
    if len({each.name for each in arms}) < len(arms):
        raise ValidationError(say("Two arms have the same name."))
    for each in arms:
        said = {"arm": each.name}
        if not re.fullmatch(r"[\w .+-]{1,64}", each.name) or each.name == HOLDOUT:
            raise ValidationError(say("%(arm)r is no name for an arm: letters, digits, spaces, up to 64.") % said)
        if not 0 < each.weight < 1e6:
            raise ValidationError(say("The weight of arm %(arm)s must be above 0.") % said)
        _check_config(each, plugin)


def check_audience(kept: Any) -> None:
    try:
        countries = audience_of(kept).countries
    except msgspec.ValidationError as error:
        raise ValidationError(str(error)) from None
    for each in countries:
        if not re.fullmatch("[A-Z]{2}", each):
            raise ValidationError(say("%(country)s is no country, as DE is.") % {"country": each})


def settings_of(arm: Arm, plugin: str) -> dict[str, Any]:
    """An arm's config as the plugin's settings hold it; what its form no longer takes is left to the shop's own."""
    form = registry.plugin(plugin).settings_form_class()
    cleaned = {}
    for name, value in arm.config.items():
        if form is not None and name in form.base_fields:
            with suppress(ValidationError):
                cleaned[name] = form.base_fields[name].clean(value)
    return cleaned


def _check_config(arm: Arm, plugin: str) -> None:
    """Every name must be a setting of the plugin, and every value one that its settings form takes."""
    try:
        form = registry.plugin(plugin).settings_form_class()
    except registry.Unknown as error:
        raise ValidationError(str(error)) from None
    fields = form.base_fields if form else {}
    for name, value in arm.config.items():
        said = {"arm": arm.name, "name": name, "there": ", ".join(fields) or "–"}
        if name not in fields:
            words = say("Arm %(arm)s: the plugin has no setting %(name)s; there are: %(there)s.")
            raise ValidationError(words % said)
        if isinstance(fields[name].widget, forms.PasswordInput):
            raise ValidationError(say("Arm %(arm)s: %(name)s is a secret, which no arm can hold.") % said)
        try:
            fields[name].clean(value)
        except ValidationError as error:
            raise ValidationError(f"{arm.name}, {name}: {' '.join(error.messages)}") from None
