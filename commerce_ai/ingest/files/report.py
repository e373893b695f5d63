"""The cleaning report: what was found in a file, how often, and what was done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_EXAMPLES = 5

# What each finding means and what was done. A code stays what it is: saved reports name it.
SAYS: dict[str, Any] = {
    "duplicate_rows": gettext_lazy("rows that repeat another one in every column; dropped"),
    "repeated_keys": gettext_lazy("rows whose key comes again further down; the last one counts"),
    "missing": gettext_lazy("values missing; left empty, or filled with the column's default"),
    "unknown_columns": gettext_lazy("columns that the table does not have; not read"),
    "unknown_reference": gettext_lazy("references to rows that are not known; left empty"),
    "customers_made": gettext_lazy("customers whom only an order names; made with their id alone"),
    "known_from_api": gettext_lazy("rows of orders that came by API or webhook, which count more; left out"),
    "older_than_known": gettext_lazy("orders that changed since the file was made; left out"),
    "erased": gettext_lazy("rows of people who were erased; left out, or kept without the person"),
    "country_unknown": gettext_lazy("names of countries that are none; left empty"),
    "rejected": gettext_lazy("rows turned away into quarantine"),
    "products_merged": gettext_lazy("products under two spellings (letter case, blanks); one product each"),
    "customers_merged": gettext_lazy("customers under two spellings (blanks, letter case, “.0”); one customer each"),
    "title_chosen": gettext_lazy("products with several descriptions; the most frequent one is the title"),
    "title_missing": gettext_lazy("products without any description; the SKU is the title"),
    "price_changed": gettext_lazy("products sold at several prices; the latest one is the price"),
    "price_unknown": gettext_lazy("products never sold at a price; without a price"),
    "guests": gettext_lazy("lines without a customer; kept as orders of guests"),
    "description_missing": gettext_lazy("lines without a description; the product's title stands in"),
    "country_changed": gettext_lazy("customers with several countries; the latest one counts"),
    "cancellations": gettext_lazy("cancelled lines; each is a return"),
    "negative_quantities": gettext_lazy("lines with a negative quantity and a price, not cancelled; each is a return"),
    "returns_without_order": gettext_lazy(
        "returns for which the customer has no earlier order of that product; kept without an order"
    ),
    "shipping_codes": gettext_lazy("lines for postage or carriage; added to the order's shipping"),
    "non_product_codes": gettext_lazy(
        "lines that are no product (fees, samples, discounts, corrections by hand); left out"
    ),
    "stock_corrections": gettext_lazy(
        "lines without customer and price (lost, found, damaged); stock corrections, left out"
    ),
    "free_lines": gettext_lazy("lines given to a customer at no price; kept"),
    "cancelled_without_goods": gettext_lazy("cancellations with nothing to give back (positive quantity); left out"),
    "price_outliers": gettext_lazy("unit prices more than ten times above or below the product's median; kept"),
    "quantity_outliers": gettext_lazy(
        "quantities more than six robust deviations (of the logarithm, by product) from the median; kept"
    ),
    "order_times": gettext_lazy("orders whose lines bear several instants; the first one counts"),
    "order_customers": gettext_lazy("orders whose lines name several customers; the first by alphabet counts"),
    "events_duplicate": gettext_lazy("messages that had come before; dropped"),
}


@dataclass
class Findings:
    """What was found so far, by code and column. Examples never hold personal data: they name rows, SKUs, codes."""

    _found: dict[tuple[str, str], _Finding] = field(default_factory=dict)

    def add(self, code: str, count: int, *, column: str = "", examples: Iterable[Any] = ()) -> None:
        if not count:
            return
        found = self._found.setdefault((code, column), _Finding())
        found.count += int(count)
        for each in examples:
            if len(found.examples) < _EXAMPLES and str(each) not in found.examples:
                found.examples.append(str(each))

    def count(self, code: str, column: str | None = None) -> int:
        return sum(each.count for (known, of), each in self._found.items() if known == code and column in (None, of))

    def as_json(self) -> list[dict[str, Any]]:
        rows = [
            {"code": code, "column": column, "count": found.count, "examples": found.examples}
            for (code, column), found in self._found.items()
        ]
        order = {code: place for place, code in enumerate(SAYS)}
        return sorted(rows, key=lambda row: (order.get(str(row["code"]), len(order)), -int(str(row["count"]))))


def words(finding: Mapping[str, Any]) -> str:
    """One finding of a saved report as a phrase, in the reader's language."""
    said = str(SAYS.get(finding["code"], finding["code"]))
    if finding.get("column"):
        return _("%(column)s: %(said)s") % {"column": finding["column"], "said": said}
    return said


@dataclass
class _Finding:
    count: int = 0
    examples: list[str] = field(default_factory=list)
