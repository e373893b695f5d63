"""Which plugins are installed, which learners fill their slots, and what is switched on in which shop."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.utils.module_loading import import_string

from commerce_ai.plugin import Plugin, Slot

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from commerce_ai.learning.learner import Learner
    from commerce_ai.shop.models import Shop

LEARNER_ENTRY_POINTS = "commerce_ai.learners"
# Rooms of the platform with benchmark suites of their own, beside the plugins: `benchmark <room> <suite>`.
ROOMS = ("api", "console", "decisions", "ingest", "learning", "privacy", "sample", "shop")


class Unknown(LookupError):
    """No plugin, learner or slot has this name; the message lists those that there are."""


def plugins() -> list[Plugin]:
    """All installed plugins, by slug. Works before the database is there."""
    return sorted((each for each in apps.get_app_configs() if isinstance(each, Plugin)), key=lambda p: p.slug)


def plugin(slug: str) -> Plugin:
    return _pick({each.slug: each for each in plugins()}, slug, "plugin")


def slots() -> dict[str, Slot]:
    return {slot.name: slot for each in plugins() for slot in each.slots}


def slot(name: str) -> Slot:
    return _pick(slots(), name, "slot")


def plugin_of_slot(name: str) -> Plugin:
    return _pick({slot.name: each for each in plugins() for slot in each.slots}, name, "slot")


@cache
def learner_paths() -> dict[str, str]:
    """Learner name → dotted class name: those of the plugins, then those that any package announces."""
    paths = {}
    for each in plugins():
        for path in each.learners:
            dotted = path if path.startswith(each.name + ".") else f"{each.name}.{path}"
            paths[import_string(dotted).name] = dotted
    for point in importlib.metadata.entry_points(group=LEARNER_ENTRY_POINTS):
        paths.setdefault(point.name, point.value.replace(":", "."))
    return paths


def learner(name: str) -> Learner:
    """The learner of this name, ready to use. Its module is imported here for the first time."""
    return import_string(_pick(learner_paths(), name, "learner"))()


def learners(slot_name: str | None = None) -> dict[str, Learner]:
    """All learners by name, or those of one slot; without what can't be imported, which the system check names."""
    found = {}
    for name in sorted(learner_paths()):
        try:
            found[name] = learner(name)
        except Exception:  # whatever a third party's import raises must not stop the others
            logger.exception("the learner %s can't be imported", name)
    return {name: each for name, each in found.items() if slot_name in (None, each.slot)}


def learners_of(slug: str) -> dict[str, Learner]:
    """The learners that fill a plugin's slots, third parties' included."""
    own = {each.name for each in plugin(slug).slots}
    return {name: each for name, each in learners().items() if each.slot in own}


def suites() -> dict[str, Callable[..., Any]]:
    """Benchmark suites by ``"<plugin or room> <suite>"``, from each ``benchmarks.SUITES``."""
    import importlib.util

    found = {}
    modules = [(each.slug, f"{each.name}.benchmarks") for each in plugins()]
    modules += [(room, f"commerce_ai.{room}.benchmarks") for room in ROOMS]
    for owner, module in modules:
        if importlib.util.find_spec(module) is None:
            continue
        for name, suite in import_string(f"{module}.SUITES").items():
            found[f"{owner} {name}"] = suite
    return found


# --- per shop ---------------------------------------------------------------------------------------------


def is_on(shop_id: int, slug: str) -> bool:
    """Whether the plugin answers in this shop. Warm: reads nothing from Postgres."""
    state = _states().get(shop_id).get(slug)
    return bool(state and state.on)


def settings_for(shop_id: int, slug: str) -> Any:
    """One frozen dataclass with the cleaned settings of a plugin in a shop, its form's defaults where unset. Warm."""
    state = _states().get(shop_id).get(slug)
    return state.settings if state else default_settings(slug)


def default_settings(slug: str) -> Any:
    return _as_settings(slug, {})


def switch(shop: Shop, slug: str, on: bool, by: Any = None) -> None:
    """Turn a plugin on or off in a shop; the schedules are made the first time, and rest while it is off."""
    from django.db import transaction

    from commerce_ai.models import PluginState
    from commerce_ai.shop.revision import bump

    with transaction.atomic():
        state, created = PluginState.objects.select_for_update().get_or_create(
            shop=shop, plugin=plugin(slug).slug, defaults={"on": on, "changed_by": by}
        )
        if not created and state.on != on:
            state.on, state.changed_by = on, by
            state.save(update_fields=["on", "changed_by", "changed_at"])
        from commerce_ai import schedules

        schedules.arrange(shop, plugin(slug), on)
        bump("switches", shop)


def save_settings(shop: Shop, slug: str, cleaned: dict[str, Any], by: Any = None) -> None:
    """Keep a valid form's cleaned data; password fields are encrypted."""
    from django.db import transaction

    from commerce_ai.models import PluginState
    from commerce_ai.shop.revision import bump

    with transaction.atomic():
        state, _created = PluginState.objects.select_for_update().get_or_create(shop=shop, plugin=plugin(slug).slug)
        state.write_settings(cleaned, plugin(slug).settings_form_class())
        state.changed_by = by
        state.save()
        bump("switches", shop)


@dataclasses.dataclass(frozen=True)
class _State:
    on: bool
    settings: Any


@cache
def _states() -> Any:
    from commerce_ai.shop.revision import Warm

    return Warm("switches", _load_states)


def _load_states(shop_id: int) -> dict[str, _State]:
    from commerce_ai.models import PluginState

    installed = {each.slug for each in plugins()}
    return {
        row.plugin: _State(
            row.on, _as_settings(row.plugin, row.read_settings(plugin(row.plugin).settings_form_class()))
        )
        for row in PluginState.objects.filter(shop_id=shop_id, plugin__in=installed)
    }


def _as_settings(slug: str, values: dict[str, Any]) -> Any:
    form = plugin(slug).settings_form_class()
    fields = form.base_fields if form else {}
    cls = _settings_class(slug, tuple(fields))
    return cls(**{name: values.get(name, _initial(each)) for name, each in fields.items()})


def _initial(form_field: Any) -> Any:
    return form_field.initial() if callable(form_field.initial) else form_field.initial


@cache
def _settings_class(slug: str, names: tuple[str, ...]) -> type:
    title = slug.title().replace("_", "").replace("-", "") + "Settings"
    return dataclasses.make_dataclass(title, [(name, Any) for name in names], frozen=True)


def _pick(found: dict[str, Any], name: str, what: str) -> Any:
    try:
        return found[name]
    except KeyError:
        there = ", ".join(sorted(found)) or "none"
        raise Unknown(f"there is no {what} {name!r}; there are: {there}") from None
