"""What recommendation would show one customer now, and why."""

from __future__ import annotations

from django.utils.translation import gettext as _

from commerce_ai.api.callers import Subject
from commerce_ai.console.pages import url_of
from commerce_ai.plugin import Known
from commerce_ai.shop.models import Customer, Shop
from plugins.recommendation import service
from plugins.recommendation.answers import Item, Request

MOST = 5


def known(shop: Shop, customer: Customer) -> list[Known]:
    """On the home page; who refused personal answers gets what everybody would. Nothing is kept of the look."""
    subject = Subject(customer.external_id, proven=True)
    answer = service.recommend(shop.pk, subject, Request(placement="home", n=MOST), keep=False)
    return [_line(each) for each in answer.items]


def _line(item: Item) -> Known:
    board = url_of(service.PLUGIN, "board/")
    title = _("Place %(n)d on the home page") % {"n": item.position}
    return Known(title, item.title, item.reason.text if item.reason else item.source, board)
