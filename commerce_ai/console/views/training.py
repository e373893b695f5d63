"""Start a training: choose a learner, set its hyper-parameters, go."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.console.dress import dress
from commerce_ai.console.params_form import form_of
from commerce_ai.console.scope import shop_of
from commerce_ai.learning import runs
from commerce_ai.learning.models import Run
from commerce_ai.learning.params import params_json
from commerce_ai.learning.versions import live_row


def start(request: HttpRequest) -> Run | dict[str, Any]:
    """The queued run, or what the page shows: learners to choose from, the form of the chosen one."""
    shop = shop_of(request)
    choices: list[dict[str, Any]] = [
        {"name": name, "learner": each, "plugin": registry.plugin_of_slot(each.slot), "chosen": False}
        for name, each in registry.learners().items()
        if registry.is_on(shop.pk, registry.plugin_of_slot(each.slot).slug)
    ]
    wanted, slot = request.GET.get("learner", ""), request.GET.get("slot", "")
    fits = [each for each in choices if wanted == each["name"] or (slot and each["learner"].slot == slot)]
    chosen = fits[0] if fits else choices[0] if len(choices) == 1 else None
    context: dict[str, Any] = {"title": _("Start a training"), "choices": choices, "chosen": chosen}
    if chosen is None:
        return context
    chosen["chosen"] = True
    learner = chosen["learner"]
    form_class = form_of(learner.params)
    live = live_row(shop, learner.slot, learner.name)
    recipe = live.params if live is not None and live.learner == learner.name else {}
    if request.method == "POST":
        form = form_class(request.POST)
        if form.is_valid():
            seed = live.seed if live is not None and recipe and params_json(form.params) == recipe else None
            return runs.request_run(
                shop, learner.name, params_json(form.params), by=request.user, reason=_("console"), seed=seed
            )
    else:
        form = form_class(
            initial={name: _shown(value) for name, value in recipe.items() if name in form_class.base_fields}
        )
    return {**context, "form": dress(form), "live": live if recipe else None}


def _shown(value: Any) -> Any:
    return ",".join(str(each) for each in value) if isinstance(value, (list, tuple)) else value
