"""Which articles an intent is about: topics are the categories and tags that the shop gave its articles.

A line is ``return_item: Returns, Refunds``. An intent that is not listed is about any article.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

MOST_LINES = 500

# What suits most shops; where no article has such a category or tag, an intent is about any article, too.
DEFAULT = """\
where_is_my_order: Delivery, Shipping
return_item: Returns
refund_status: Returns, Refunds
damaged_item: Returns
cancel_order: Orders
change_address: Orders, Delivery
payment_problem: Payment, Payments
discount_code: Payment, Payments, Vouchers
product_question: Products
availability: Products
"""


class BadTopics(ValueError):
    """A line (`line`, from 1) is not ``intent: topic, topic``; `fault` is shape, twice or many."""

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(f"line {line}: {fault}")
        self.line, self.fault = line, fault


@lru_cache(maxsize=64)
def topics_of(lines: str) -> Mapping[str, frozenset[str]]:
    """Topics by intent, in lower case; empty lines and those that start with # are passed over. Raises `BadTopics`."""
    found: dict[str, frozenset[str]] = {}
    for number, line in enumerate(lines.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        intent, colon, rest = (each.strip() for each in line.partition(":"))
        topics = frozenset(each.strip().casefold() for each in rest.split(",") if each.strip())
        if not colon or not intent or not topics:
            raise BadTopics(number, "shape")
        if intent in found:
            raise BadTopics(number, "twice")
        if number > MOST_LINES:
            raise BadTopics(number, "many")
        found[intent] = topics
    return found
