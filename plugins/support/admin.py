"""The board: how messages were answered, and the inbox of those that wait for a person."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai.console import audit, boards, masking
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.pages import page, url_of
from commerce_ai.console.scope import may
from commerce_ai.console.shop_admin import ShopAdmin
from commerce_ai.decisions import counting
from commerce_ai.ids import uuid7
from commerce_ai.learning.live import live
from commerce_ai.plugin import Card, Health, Need
from commerce_ai.shop.models import Conversation, Label, Message, Shop
from plugins.support import queries, service
from plugins.support.forms import SLOT
from plugins.support.models import AnswerTemplate

PLUGIN = service.PLUGIN
DAYS = 14
MOST_WAITING = 30
MOST_TURNS = 100
LONG_WAIT = timedelta(hours=4)
ACTIONS = {
    "template": _("answered from facts"),
    "article": _("answered from an article"),
    "sign_in": _("asked to sign in"),
    "handover": _("handed over"),
}


@admin.register(AnswerTemplate)
class AnswerTemplateAdmin(ShopAdmin):
    list_display = ("intent", "text", "active", "updated_at")
    list_filter = ("active",)
    search_fields = ("intent__startswith",)
    ordering = ("intent",)
    next_step = _("No templates yet: common answers are built in. Write one for an intent that comes often.")


@page(template="support/board.html")
def board(request: Any) -> dict[str, Any] | HttpResponse:
    """Figures, answers by day, the inbox, one conversation to read and answer."""
    if request.method == "POST":
        return _act(request)
    shop = request.shop
    chosen = _chosen(shop, request.GET.get("conversation", ""))
    best = next(iter(live(shop.pk, SLOT)), None)
    waiting, turns = queries.inbox(shop, MOST_WAITING), _turns(shop, chosen) if chosen else []
    if not may(request, "operator"):
        for each in (*turns, *(talk.latest for talk in waiting if talk.latest)):
            masking.mask(each)
    return {
        "cards": cards(shop),
        "chart": chart_of(shop),
        "running": boards.running(shop, PLUGIN),
        "waiting": waiting,
        "chosen": chosen,
        "turns": turns,
        "intents": best.scorer.intents.names if best else _labelled(shop),
        "may_change": may(request, "operator"),
        "templates_url": reverse("admin:support_answertemplate_changelist"),
    }


def cards(shop: Shop) -> list[Card]:
    """How many messages were answered in the last 24 hours, how many wait, and how good the live version is."""
    done = _answers(shop, timedelta(hours=24))
    total, handed = sum(done.values()), done["handover"]
    waiting = Conversation.objects.of(shop).filter(status=Conversation.Status.HANDED_OFF).count()
    best = next(iter(live(shop.pk, SLOT)), None)
    figure = best.metrics.get("accuracy") if best else None
    address = url_of(PLUGIN, "board/")
    share = say("%(share).0f %% handed over") % {"share": 100 * handed / total} if total else ""
    return [
        Card(_("Messages answered, last 24 hours"), f"{total:,}", share, address),
        Card(_("Waiting for a person"), f"{waiting:,}", "", address, "warn" if waiting else "good"),
        Card(
            _("Live reader of intents"),
            "–" if figure is None else f"{100 * figure:.1f} %",
            say("accuracy on texts held out") if best else _("None is live: articles are searched by words."),
            address,
            "good" if best else "warn",
        ),
    ]


def findings(shop: Shop) -> list[Health]:
    """What the core can't know: a conversation that has waited long."""
    old = Conversation.objects.of(shop).filter(
        status=Conversation.Status.HANDED_OFF, updated_at__lt=timezone.now() - LONG_WAIT
    )
    if count := old.count():
        words = say("%(count)d conversations have waited for a person for more than four hours.") % {"count": count}
        return [Health("warn", words, url_of(PLUGIN, "board/"))]
    return []


def needs(shop: Shop) -> list[Need]:
    """Conversations that wait for a person; the one that waits longest sets the deadline."""
    rows = Conversation.objects.of(shop).filter(status=Conversation.Status.HANDED_OFF)
    counted = rows.aggregate(n=Count("pk"), oldest=Min("updated_at"))
    if not counted["n"]:
        return []
    words = ngettext("%(n)d customer waits for an answer", "%(n)d customers wait for an answer", counted["n"])
    return [
        Need(
            "conversation", words % {"n": counted["n"]}, say("handed over to a person"),
            deadline=counted["oldest"] + LONG_WAIT, count=counted["n"],
            url=f"{reverse('admin:shop_conversation_changelist')}?status__exact=handed_off", tone="warn",
        )
    ]  # fmt: skip


def chart_of(shop: Shop) -> Chart:
    """Answers by day and way, the last 14 days."""
    days = counting.last_days(shop, DAYS)
    counted = counting.by_day(counting.decided(shop, PLUGIN, timedelta(days=DAYS)), shop, "payload__value")
    series = [
        Series(title, [counted.get((day, name), 0) for day in days], kind="bar") for name, title in ACTIONS.items()
    ]
    return Chart(
        _("Messages a day, by how they were answered"),
        [day.isoformat() for day in days],
        series if counted else [],
        kind="bar",
        stacked=True,
        empty=_("No message was answered yet. Put the chat on the storefront: POST /api/v1/support/reply."),
    )


def _answers(shop: Shop, span: timedelta) -> Counter[str]:
    found = counting.decided(shop, PLUGIN, span)
    return Counter(dict(found.values_list("payload__value").annotate(count=Count("id"))))


def _chosen(shop: Shop, external_id: str) -> Conversation | None:
    return Conversation.objects.of(shop).filter(external_id=external_id).first() if external_id else None


def _turns(shop: Shop, chosen: Conversation) -> list[Message]:
    rows = list(
        Message.objects.of(shop)
        .filter(conversation=chosen)
        .select_related("author")
        .order_by("-at", "-pk")[:MOST_TURNS]
    )
    labels = dict(
        Label.objects.of(shop)
        .filter(task=queries.TASK, subject_type=Label.Subject.MESSAGE, subject_id__in=[each.pk for each in rows])
        .order_by("at", "pk")
        .values_list("subject_id", "value")
    )
    for each in rows:
        each.label = labels.get(each.pk, "")  # type: ignore[attr-defined]
    return rows[::-1]


def _labelled(shop: Shop) -> list[str]:
    labels = Label.objects.of(shop).filter(task=queries.TASK)
    return list(labels.order_by("value").values_list("value", flat=True).distinct()[:500])


def _act(request: HttpRequest) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    shop, sent = request.shop, request.POST  # type: ignore[attr-defined]
    if sent.get("action") == "retrain":
        boards.retrain(request, PLUGIN)
        return HttpResponseRedirect(url_of(PLUGIN, "board/"))
    chosen = _chosen(shop, sent.get("conversation", ""))
    if chosen is None:
        messages.error(request, say("There is no such conversation."))
        return HttpResponseRedirect(url_of(PLUGIN, "board/"))
    if sent.get("action") == "answer":
        _answer(request, chosen, sent.get("text", "").strip())
    elif sent.get("action") == "label":
        _label(request, chosen, sent)
    elif sent.get("action") == "close":
        chosen.status, chosen.closed_at = Conversation.Status.CLOSED, timezone.now()
        chosen.save()
        audit.write(request, [chosen], say("Closed."))
        messages.success(request, say("The conversation is closed."))
        return HttpResponseRedirect(url_of(PLUGIN, "board/"))
    return HttpResponseRedirect(f"{url_of(PLUGIN, 'board/')}?conversation={chosen.external_id}#conversation")


@transaction.atomic
def _answer(request: HttpRequest, chosen: Conversation, text: str) -> None:
    if not text:
        messages.error(request, say("Write an answer first."))
        return
    Message.objects.of(chosen.shop_id).create(
        shop_id=chosen.shop_id,
        conversation=chosen,
        external_id=str(uuid7()),
        role=Message.Role.AGENT,
        author=cast(User, request.user),
        text=text,
    )
    chosen.status, chosen.assignee = Conversation.Status.WAITING, request.user  # type: ignore[assignment]
    chosen.save()
    audit.write(request, [chosen], say("Answered."))
    messages.success(request, say("The answer is sent; the conversation waits for the customer."))


def _label(request: HttpRequest, chosen: Conversation, sent: Any) -> None:
    number, intent = sent.get("message", ""), sent.get("intent", "").strip()[:255]
    rows = Message.objects.of(chosen.shop_id).filter(conversation=chosen, role=Message.Role.CUSTOMER)
    message = rows.filter(pk=int(number)).first() if number.isdecimal() else None
    if message is None or not intent:
        messages.error(request, say("Choose a message of the customer and an intent."))
        return
    Label.objects.of(chosen.shop_id).create(
        shop_id=chosen.shop_id,
        task=queries.TASK,
        subject_type=Label.Subject.MESSAGE,
        subject_id=message.pk,
        value=intent,
        by=cast(User, request.user),
        source="console",
    )
    audit.write(request, [message], say("Noted the intent %(intent)s.") % {"intent": intent})
    messages.success(request, say("Noted. The next training learns from it."))
