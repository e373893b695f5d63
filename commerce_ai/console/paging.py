"""Pages of big tables: counts that never read more than ten thousand rows."""

from __future__ import annotations

import json
from typing import Any

from django.core.paginator import Paginator
from django.db import connections
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

EXACT = 10_000  # rows that are counted and can be leafed through; beyond, narrow by date or search


class BoundedPaginator(Paginator):
    """Counts exactly up to `EXACT` rows; beyond, the planner's estimate is shown and only the first rows have pages."""

    template_name = "console/pagination.html"

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list  # a list in the admin is a queryset
        ordered = rows.order_by()
        counted = ordered.values("pk")[: EXACT + 1].count()
        return counted if counted <= EXACT else max(EXACT + 1, _estimate(ordered))

    @cached_property
    def num_pages(self) -> int:
        return max(1, -(-min(self.count, EXACT) // self.per_page))

    @property
    def exact(self) -> bool:
        return self.count <= EXACT

    @property
    def note(self) -> Any:
        return "" if self.exact else _("Only the newest 10,000 have pages: narrow by date or search to see others.")


def _estimate(queryset: Any) -> int:
    """How many rows the planner expects, without reading them."""
    sql, params = queryset.values("pk").query.sql_with_params()
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)  # the query is the ORM's own
        plan = cursor.fetchone()[0]
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return int(plan[0]["Plan"]["Plan Rows"])
