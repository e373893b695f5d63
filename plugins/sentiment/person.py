"""What sentiment knows of one customer: how their newest reviews and messages were read."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.plugin import Known
from commerce_ai.shop.models import Customer, Review, Shop
from plugins.sentiment import service
from plugins.sentiment.models import Judgement, Kind

MOST = 5


def known(shop: Shop, customer: Customer) -> list[Known]:
    reviews = Review.objects.of(shop).filter(customer=customer).order_by("-at", "-pk")
    newest = list(reviews.values_list("pk", flat=True)[:MOST])
    judged = Judgement.objects.of(shop).filter(kind=Kind.REVIEW, text_id__in=newest).select_related("product")
    return [_line(each) for each in judged.order_by("-at", "-pk")]


def _line(judged: Judgement) -> Known:
    about = _("Review of %(product)s") % {"product": judged.product} if judged.product else _("Review of the shop")
    there = reverse("admin:shop_review_change", args=[judged.text_id])
    return Known(about, service.named(judged.label), ", ".join(judged.topics), there, judged.at)
