"""The sample shop has something to tell: a bad batch that the real rule finds, before any version is live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.sample.load import load_sample
from commerce_ai.shop.models import Review
from commerce_ai.shop.revision import refresher
from plugins.sentiment import tasks
from plugins.sentiment.models import SentimentAlert


def test_the_bad_batch_of_the_sample_shop_is_found(db: None, var: Any) -> None:
    shop = load_sample("sample", 1, events=False)
    registry.switch(shop, "sentiment", True)
    refresher.poll()
    tasks.read_new(shop.pk)
    alerts = SentimentAlert.objects.of(shop)
    worst = alerts.filter(product=None, topic="").latest("day")
    assert worst.share > 2 * worst.expected > 0

    today = timezone.now().astimezone(shop.tz).date()
    assert set(alerts.values_list("day", flat=True)) <= {today - timedelta(days=days) for days in (1, 2, 3)}
    assert not [each for day in range(10, 40, 3) for each in tasks.watch(shop, today - timedelta(days=day))]

    # It is one category's.
    bad = Review.objects.of(shop).filter(rating__lte=2, at__gte=timezone.now() - timedelta(days=3))
    by_category = bad.values("product__category").annotate(count=Count("pk")).order_by("-count")
    assert by_category[0]["count"] > 2 * by_category[1]["count"]
