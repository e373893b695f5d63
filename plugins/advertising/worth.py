"""What the hot path needs to know, kept for seconds: campaigns, what they do to a customer, what an order is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from commerce_ai.shop.kept import Kept, customer_ids
from commerce_ai.shop.models import CustomerScore
from plugins.advertising import queries
from plugins.advertising.models import UpliftScore

CAMPAIGN_S, CUSTOMER_S, SHOP_S = 10.0, 300.0, 600.0


@dataclass(frozen=True)
class Campaign:
    """A campaign that may be shown; `cost` of showing it once, None where nobody knows."""

    id: int
    external_id: str
    name: str
    channel: str
    cost: float | None
    starts_at: datetime | None
    ends_at: datetime | None

    def runs_at(self, now: datetime) -> bool:
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True)
class Worth:
    """Uplift by our campaign id (None: any other campaign); what the customer spends an order, if it is known."""

    uplifts: Mapping[int | None, float] = field(default_factory=dict)
    order_value: float | None = None

    def uplift_of(self, campaign_id: int) -> float | None:
        return self.uplifts.get(campaign_id, self.uplifts.get(None))


def read_campaigns(shop_id: int) -> list[Campaign]:
    return [Campaign(**row) for row in queries.running_campaigns(shop_id).iter_rows(named=True)]


def read_worth(shop_id: int, customer_id: int) -> Worth:
    uplifts = UpliftScore.objects.of(shop_id).filter(customer_id=customer_id).values_list("campaign_id", "uplift")
    score = CustomerScore.objects.of(shop_id).filter(customer_id=customer_id).values_list("value", "orders").first()
    value, orders = score or (None, None)
    # Of who will hardly come back, the quotient is noise.
    return Worth(dict(uplifts), value / orders if value is not None and orders and orders > 1e-3 else None)


def read_order_value(shop_id: int) -> float:
    return queries.mean_order_value(shop_id, timedelta(days=365))


campaigns: Kept[list[Campaign]] = Kept(read_campaigns, CAMPAIGN_S, [])
# None: nobody could say. Asked only where a campaign is named that does not run.
campaign_names: Kept[list[str] | None] = Kept(queries.campaign_names, CAMPAIGN_S, None)
of_customer: Kept[Worth | None] = Kept(read_worth, CUSTOMER_S, None)
order_value: Kept[float] = Kept(read_order_value, SHOP_S, 0.0)


def forget_all() -> None:
    """Let go of everything: tests change the world under a process's feet."""
    for each in (campaigns, campaign_names, of_customer, customer_ids, order_value):
        each.forget()
