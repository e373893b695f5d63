"""Money in words: the currency's sign and as many decimals as it has."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.contrib import admin
from django.utils.formats import number_format

from commerce_ai.shop.money import minor_digits

SIGNS = {
    "AUD": "A$", "BRL": "R$", "CAD": "C$", "CNY": "CN¥", "EUR": "€", "GBP": "£", "HKD": "HK$", "INR": "₹",
    "JPY": "¥", "KRW": "₩", "MXN": "MX$", "NZD": "NZ$", "TWD": "NT$", "USD": "$", "VND": "₫",
}  # fmt: skip


def money(value: Any, currency: str, *, rounded: bool = False) -> str:
    """``€1,234.50``; `rounded` leaves the minor unit out, for sums on tiles. Rounded half away from zero."""
    if value is None:
        return ""
    digits = 0 if rounded else minor_digits(currency)
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    whole = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    amount = number_format(abs(whole), digits, use_l10n=True, force_grouping=True)
    sign = SIGNS.get(currency)
    return ("−" if whole < 0 else "") + (f"{sign}{amount}" if sign else f"{amount} {currency}")


def money_column(name: str, title: Any) -> Any:
    """A list's column with an amount in the row's own currency, else in the shop's."""

    @admin.display(description=title, ordering=name, empty_value="-")
    def column(row: Any) -> str | None:
        value: Decimal | None = getattr(row, name)
        return None if value is None else money(value, getattr(row, "currency", None) or row.shop.currency)

    column.needs_shop = True  # type: ignore[attr-defined]
    return column


def share_column(name: str, title: Any) -> Any:
    """A list's column with a share or probability, in per cent."""

    @admin.display(description=title, ordering=name, empty_value="-")
    def column(row: Any) -> str | None:
        value: float | None = getattr(row, name)
        return None if value is None else f"{number_format(100 * value, 1, use_l10n=True)} %"

    return column
