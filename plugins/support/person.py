"""What customer service knows of one customer: their talks and how they stand."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.plugin import Known
from commerce_ai.shop.models import Conversation, Customer, Shop

MOST = 5


def known(shop: Shop, customer: Customer) -> list[Known]:
    """Without their subject, which the person may have written."""
    talks = Conversation.objects.of(shop).filter(customer=customer).order_by("-opened_at", "-pk")
    return [_line(each) for each in talks[:MOST]]


def _line(talk: Conversation) -> Known:
    rated = _("rated %(stars)d of 5") % {"stars": talk.rating} if talk.rating else ""
    there = reverse("admin:shop_conversation_change", args=[talk.pk])
    title = _("Talk %(id)s by %(channel)s") % {"id": talk.external_id, "channel": talk.channel}
    return Known(title, talk.get_status_display(), rated, there, talk.opened_at)
