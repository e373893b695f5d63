"""Proposals as CSV for a supplier or a spreadsheet; no cell is taken for a formula there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

COLUMNS = (
    "supplier", "supplier_id", "product_id", "title", "quantity", "unit_cost", "location_id", "order_by",
    "stock_out_on", "state", "purchase_order",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_of(proposals: Iterable[Any]) -> str:
    """One line a proposal, with a heading."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in proposals:
        line = row.purchase_line
        cells = (
            row.supplier.name, row.supplier.external_id, row.product.external_id, row.product.title,
            f"{row.quantity.normalize():f}", "" if row.unit_cost is None else f"{row.unit_cost.normalize():f}",
            row.location.external_id if row.location else "", row.order_by.isoformat(),
            row.stock_out_on.isoformat() if row.stock_out_on else "", row.state,
            line.purchase_order.external_id if line else "",
        )  # fmt: skip
        writer.writerow([safe(cell) for cell in cells])
    return out.getvalue()


def safe(cell: str) -> str:
    """A text that a spreadsheet would run is put behind an apostrophe (OWASP: *CSV Injection*)."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell
