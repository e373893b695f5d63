"""System checks of the plugin contract: what is wrong is said at start, not at night."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from commerce_ai import registry
from commerce_ai.plugin import CORE_VERSION


@register()
def check_plugins(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    seen_slots: dict[str, str] = {}
    for each in registry.plugins():
        if each.label != each.slug:
            found.append(
                Error(f"{each.name}: label {each.label!r} must equal slug {each.slug!r}", id="commerce_ai.E001")
            )
        if not each.core_fits():
            found.append(
                Error(
                    f"{each.slug} works with core {each.core}; this is core {CORE_VERSION}",
                    id="commerce_ai.E002",
                )
            )
        for slot in each.slots:
            if not slot.name.startswith(each.slug + "."):
                found.append(
                    Error(
                        f"{each.slug}: slot {slot.name!r} must start with {each.slug + '.'!r}",
                        id="commerce_ai.E003",
                    )
                )
            if slot.name in seen_slots:
                found.append(
                    Error(
                        f"slot {slot.name!r} stands in {seen_slots[slot.name]} and {each.slug}",
                        id="commerce_ai.E004",
                    )
                )
            seen_slots[slot.name] = each.slug
    for name in registry.learner_paths():
        found += _check_learner(name, seen_slots)
    for third_party in settings.THIRD_PARTY:
        if third_party.error:
            found.append(
                Warning(
                    f"the plugin {third_party.name} ({third_party.distribution}) is left out: {third_party.error}",
                    id="commerce_ai.W001",
                )
            )
    return found


def _check_learner(name: str, slots: dict[str, str]) -> list[CheckMessage]:
    try:
        learner = registry.learner(name)
    except Exception as error:  # whatever a third party's import raises
        return [Error(f"learner {name!r} can't be imported: {type(error).__name__}: {error}", id="commerce_ai.E005")]
    if learner.name != name:
        return [Error(f"learner {name!r} calls itself {learner.name!r}", id="commerce_ai.E006")]
    if learner.slot not in slots:
        there = ", ".join(sorted(slots)) or "none"
        return [
            Error(
                f"learner {name!r} fills the slot {learner.slot!r}, which nobody has; there are: {there}",
                id="commerce_ai.E007",
            )
        ]
    return []
