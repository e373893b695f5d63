"""Decisions, touches and orders of a small shop, through the doors that write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from commerce_ai.decisions import attribution, marks
from commerce_ai.decisions.models import Credit, Decision, Outcome
from commerce_ai.ids import uuid7
from commerce_ai.shop.eventlog import NewEvent, write_events
from commerce_ai.shop.models import Order, OrderLine, Product, Shop

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


@dataclass
class Facts:
    shop: Shop
    products: dict[str, Product] = field(default_factory=dict)
    said: int = 0

    def product(self, name: str, cost: str | None = None) -> Product:
        if name not in self.products:
            self.products[name] = Product.objects.create(
                shop=self.shop, external_id=name, title=name, price=Decimal(10), cost=cost
            )
        return self.products[name]

    def decision(self, *items: str, plugin: str = "recommendation", **columns: Any) -> UUID:
        shown = [{"id": self.product(name).pk, "product_id": name, "position": 1, "source": "x"} for name in items]
        return Decision.objects.create(
            **{"id": uuid7(NOW - 72 * HOUR), "shop": self.shop, "plugin": plugin, "kind": "list",
               "payload": {"items": shown}, **columns}
        ).pk  # fmt: skip

    def touch(self, name: str, decision: UUID | None, who: str = "v", *, hours: float = -1, product: str = "",
              **columns: Any) -> NewEvent:  # fmt: skip
        """Something done `hours` from now; not written yet."""
        self.said += 1
        return NewEvent(
            **{"shop_id": self.shop.pk, "name": name, "message_id": f"m{self.said}", "anonymous_id": who,
               "occurred_at": NOW + hours * HOUR, "received_at": NOW, "decision_id": decision,
               "product_id": self.product(product).pk if product else None, **columns}
        )  # fmt: skip

    def order(self, name: str, *lines: tuple[str, int, str], who: str = "v", **columns: Any) -> Order:
        """Lines are (product, quantity, unit price); the total is theirs."""
        total = sum((Decimal(price) * n for _p, n, price in lines), Decimal())
        order = Order.objects.create(
            **{"shop": self.shop, "external_id": name, "anonymous_id": who, "currency": self.shop.currency,
               "total": total, "placed_at": NOW, **columns}
        )  # fmt: skip
        for place, (product, n, price) in enumerate(lines, 1):
            OrderLine.objects.create(
                shop=self.shop, order=order, position=place, product=self.product(product), sku=product, quantity=n,
                unit_price=Decimal(price),
            )  # fmt: skip
        return order

    def write(self, *events: NewEvent) -> None:
        write_events(events)

    def count(self) -> None:
        attribution.run(self.shop)
        assert marks.waiting(self.shop.pk) == 0

    def outcome(self, decision: UUID) -> Outcome:
        return Outcome.objects.of(self.shop).get(pk=decision)

    def result(self) -> tuple[list[Any], list[Any]]:
        """Everything that was counted, in an order of its own."""
        columns = ("impressions", "clicks", "carts", "purchases", "revenue", "margin", "bots", "staff")
        outcomes = Outcome.objects.of(self.shop).order_by("pk").values_list("pk", *columns)
        credits = Credit.objects.of(self.shop).order_by("line_id", "decision_id")
        return list(outcomes), list(credits.values_list("line_id", "decision_id", "way", "revenue", "margin"))
