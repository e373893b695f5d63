from django.db import models

from commerce_ai.shop.models import ShopModel


class ReviewCount(ShopModel):
    """How many reviews the shop had, written by the plugin's own schedule."""

    count = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now=True)
