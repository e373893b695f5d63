"""Arms in a form: a row an arm with its name, its weight, and a line for each setting that it changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.translation import gettext as say

from commerce_ai.decisions.experiments.arms import MOST_ARMS

_PARTS = ("name", "weight", "config", "version")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class ArmsWidget(forms.Widget):
    """Posts ``arms-0-name``, ``arms-0-weight``, ``arms-0-config``, … for as many rows as there may be."""

    use_fieldset = True
    versions: Sequence[tuple[int, str]] = ()  # that may be chosen, with their words

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, str]]:
        rows = [{part: data.get(f"{name}-{n}-{part}", "").strip() for part in _PARTS} for n in range(MOST_ARMS)]
        return [each for each in rows if each["name"] or each["config"] or each["version"]]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-0-name" not in data

    def id_for_label(self, id_: str) -> str:
        return f"{id_}-0-name" if id_ else ""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        given = [_shown(each) for each in value or () if isinstance(each, dict)]
        blank = [dict.fromkeys(_PARTS, "")] * max(min(2, MOST_ARMS - len(given)), 0)
        rows = [{**each, "versions": self._choices(str(each["version"]))} for each in (*given, *blank)]
        return render_to_string("console/arms.html", {"name": name, "rows": rows})

    def _choices(self, chosen: str) -> list[tuple[str, str, bool]]:
        """Id, words and whether it is the one; one that can't be chosen any more stays until it is taken off."""
        known = [(str(number), words) for number, words in self.versions]
        if chosen and chosen not in dict(known):
            known.insert(0, (chosen, f"v{chosen}"))
        return [(number, words, number == chosen) for number, words in known]


class ArmsField(forms.Field):
    """Cleans to the JSON that an experiment keeps. Which settings and versions there are, others say."""

    widget = ArmsWidget

    def clean(self, value: Any) -> list[dict[str, Any]]:
        return [_read(each) for each in value or ()]


def _shown(arm: dict[str, Any]) -> dict[str, Any]:
    """A row as the widget shows it, of a kept arm or of what was just sent."""
    config = arm.get("config") or ""
    if isinstance(config, dict):
        config = "\n".join(f"{name} = {_word(value)}" for name, value in config.items())
    weight = arm.get("weight", 1)
    return {
        "name": arm.get("name", ""), "config": config, "version": arm.get("version") or "",
        "weight": f"{weight:g}" if isinstance(weight, (int, float)) else weight,
    }  # fmt: skip


def _read(row: dict[str, str]) -> dict[str, Any]:
    said = {"arm": row["name"]}
    try:
        weight = float((row["weight"] or "1").replace(",", "."))
    except ValueError:
        raise ValidationError(say("The weight of arm %(arm)s must be above 0.") % said) from None
    config: dict[str, Any] = {}
    for line in filter(None, map(str.strip, row["config"].splitlines())):
        name, sign, value = (each.strip() for each in line.partition("="))
        if not sign or not name:
            words = say("Arm %(arm)s: write each setting as name = value, one a line; this is not: %(line)s")
            raise ValidationError(words % (said | {"line": line}))
        config[name] = _value(value)
    version = {"version": int(row["version"])} if re.fullmatch(r"\d{1,18}", row["version"]) else {}
    return {"name": row["name"], "weight": weight, "config": config, **version}


def _value(text: str) -> Any:
    """Yes and no, numbers, else the text: the plugin's own form reads it again."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _word(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)
