"""Channels: where people are told, what was sent there lately, and how much of it a day."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION, DELETION
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.alerts import outbox, sending
from commerce_ai.alerts.budget import Budget, budget_of, set_budget
from commerce_ai.alerts.models import Channel, Delivery
from commerce_ai.console import audit
from commerce_ai.console.alerts_form import BudgetForm, ChannelForm
from commerce_ai.console.dress import dress
from commerce_ai.console.pages import page, shown_once
from commerce_ai.console.scope import may

LATEST = 25


@page(template="console/alerts_channels.html")
def overview(request: Any) -> dict[str, Any] | HttpResponse:
    """Every channel with its last delivery and error; the budget."""
    form = BudgetForm(request.POST or None, initial=dataclasses.asdict(budget_of(request.shop)))
    if request.method == "POST":
        if not may(request, "operator"):
            raise PermissionDenied
        if form.is_valid():
            set_budget(request.shop, Budget(**form.cleaned_data))
            audit.write(request, [request.shop], _("Changed how many alerts are told a day."))
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(request.path)
    return {
        "title": _("Alert channels"),
        "channels": Channel.objects.of(request.shop).defer("url", "secret", "old_secret").order_by("name", "pk"),
        "form": dress(form),
        "budget": budget_of(request.shop),
        "may_write": may(request, "operator"),
    }


@page(template="console/alerts_form.html", permission="operator")
def add(request: Any) -> dict[str, Any] | HttpResponse:
    """A new channel; a webhook's secret is shown once."""
    form = ChannelForm(request.POST or None, instance=Channel(shop=request.shop, created_by=request.user))
    if request.method == "POST" and form.is_valid():
        channel = form.save()
        audit.write(request, [channel], _("Added."), ADDITION)
        if channel.kind == Channel.Kind.WEBHOOK:
            return _shown(request, channel, sending.rotate(channel))
        messages.success(request, _("Saved. Send a test now."))
        return HttpResponseRedirect(reverse("console:alert-channel", args=[channel.pk]))
    return {"title": _("New channel"), "form": dress(form), "back": reverse("console:alert-channels")}


@page(template="console/alerts_channel.html", permission="operator")
def detail(request: Any, pk: int) -> dict[str, Any] | HttpResponse:
    """One channel: its settings, its last messages; test, rotation of its secret, deletion."""
    channel = get_object_or_404(Channel.objects.of(request.shop), pk=pk)
    form = ChannelForm(request.POST if "save" in request.POST else None, instance=channel)
    if request.method == "POST":
        if "save" not in request.POST:
            return _act(request, channel)
        if form.is_valid():
            form.save()
            if not channel.on:
                outbox.forget_trouble(channel)
            audit.write(request, [channel], _("Changed: %(names)s.") % {"names": ", ".join(form.changed_data)})
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(request.path)
    return {
        "title": channel.name, "channel": channel, "form": dress(form),
        "deliveries": Delivery.objects.of(request.shop).filter(channel=channel).order_by("-made_at")[:LATEST],
        "is_webhook": channel.kind == Channel.Kind.WEBHOOK,
    }  # fmt: skip


def _act(request: Any, channel: Channel) -> HttpResponse:
    action = request.POST.get("action", "")
    if action == "test":
        outbox.send_test(channel)
        audit.write(request, [channel], _("Sent a test."))
        messages.success(request, _("A test is on its way: its row below says in a few seconds whether it arrived."))
    elif action == "rotate" and channel.kind == Channel.Kind.WEBHOOK:
        made = sending.rotate(channel)
        audit.write(request, [channel], _("Made a new signing secret."))
        return _shown(request, channel, made)
    elif action == "delete":
        audit.write(request, [channel], _("Deleted."), DELETION)
        outbox.forget_channel(channel)
        messages.success(request, _("The channel is deleted, with what waited to be sent there."))
        return HttpResponseRedirect(reverse("console:alert-channels"))
    return HttpResponseRedirect(reverse("console:alert-channel", args=[channel.pk]))


def _shown(request: Any, channel: Channel, secret: str) -> HttpResponse:
    explanation = _(
        "Copy it now: it is stored encrypted and not shown again. The receiver checks webhook-signature with it, as"
        " Standard Webhooks says. A secret before it goes on signing for a day."
    )
    return shown_once(
        request, title=_("The signing secret of %(name)s") % {"name": channel.name}, explanation=explanation,
        texts=[(_("Signing secret"), secret)], back=reverse("console:alert-channel", args=[channel.pk]),
    )  # fmt: skip
