"""What an answer needs of the shop itself, warm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils import timezone

from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import Warm


@dataclass(frozen=True)
class ShopFacts:
    """A shop's currency and clock."""

    currency: str
    tz: ZoneInfo

    def day_of(self, at: datetime) -> date:
        return at.astimezone(self.tz).date()

    @property
    def today(self) -> date:
        return self.day_of(timezone.now())


def shop_facts(shop_id: int) -> ShopFacts:
    """Reads nothing from Postgres once it knows. Raises Shop.DoesNotExist."""
    return _facts.get(shop_id)


def _load(shop_id: int) -> ShopFacts:
    shop = Shop.objects.get(pk=shop_id)
    return ShopFacts(shop.currency, shop.tz)


_facts: Warm[ShopFacts] = Warm("settings", _load)
