"""Everything that is held on a person, for that person to read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from commerce_ai.privacy import holdings
from commerce_ai.shop.models import Customer, Shop


def export(
    shop: Shop, customer: Customer | str, report: Callable[[float], None] = lambda share: None
) -> dict[str, Any]:
    """``{"shop", "customer", "tables": {table: [row]}}``, encrypted columns in clear, hashes as base64.

    `customer` may be the outside id. Values are JSON's own; instants ISO 8601. `report` hears how much is done, 0 to 1.
    """
    person = holdings.person_of(shop, customer)
    tables: dict[str, list[dict[str, Any]]] = {}
    if person.customer_id:
        tables[Customer._meta.db_table] = [_row(Customer.objects.of(shop).get(pk=person.customer_id))]
    held = holdings.held(person)
    for done, (model, keys) in enumerate(held.items(), 1):
        report(done / (len(held) + 2))
        rows = model._base_manager.filter(pk__in=keys).order_by("pk")
        tables[model._meta.db_table] = [_row(each) for each in rows.iterator(chunk_size=1000)]
    for found, about in holdings.searched(person):
        # Nobody else's words: only ids, instants and what is about this person.
        plain = {name: value for name, value in _row(found).items() if not isinstance(value, dict | list)}
        tables.setdefault(found._meta.db_table, []).append(plain | about)
    said = {"shop": shop.slug, "customer": person.external_id, "tables": tables}
    return json.loads(json.dumps(said, cls=_Encoder))


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return base64.b64encode(bytes(o)).decode() if isinstance(o, bytes | memoryview) else super().default(o)


def _row(row: models.Model) -> dict[str, Any]:
    return {each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields}
