"""What the boards of plugins have alike: the card of the live version, runs under way, and training anew."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as say

from commerce_ai.console import audit
from commerce_ai.console.pages import url_of
from commerce_ai.console.scope import shop_of
from commerce_ai.learning import runs
from commerce_ai.learning.live import live
from commerce_ai.learning.models import Run
from commerce_ai.plugin import Card
from commerce_ai.shop.models import Shop


def live_card(shop: Shop, slot: str, title: Any, none: Any) -> Card:
    """How good a slot's best live version is, by its own metric; `none` says what answers without one."""
    best = next(iter(live(shop.pk, slot)), None)
    address = url_of(slot.partition(".")[0], "board/")
    if best is None:
        return Card(title, "–", none, address, "warn")
    metric = best.learner.metric.name
    figure = best.metrics.get(metric)
    return Card(title, "–" if figure is None else f"{figure:.3f}", f"{metric} · {best.learner.name}", address, "good")


def running(shop: Shop, plugin: str) -> QuerySet[Run]:
    """The plugin's runs that wait or are under way: `running` in a board's context."""
    return Run.objects.of(shop).filter(slot__startswith=f"{plugin}.", state__in=Run.OPEN).order_by("queued_at")


def retrain(request: HttpRequest, plugin: str) -> None:
    """Queue a training of each of the plugin's learners, and say so. Whoever calls has looked whether they may."""
    if queued := runs.retrain_plugin(shop_of(request).pk, plugin, by=request.user):
        audit.write(request, Run.objects.of(shop_of(request)).filter(pk__in=queued), say("Asked for."), ADDITION)
        messages.success(request, say("%(count)d trainings are queued.") % {"count": len(queued)})
    else:
        messages.info(request, say("Trainings are under way already."))
