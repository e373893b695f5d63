"""Money in words: the currency's sign and as many decimals as it has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.utils.formats import number_format

SIGNS = {
    "AUD": "A$", "BRL": "R$", "CAD": "C$", "CNY": "CN¥", "EUR": "€", "GBP": "£", "HKD": "HK$", "INR": "₹",
    "JPY": "¥", "KRW": "₩", "MXN": "MX$", "NZD": "NZ$", "TWD": "NT$", "USD": "$", "VND": "₫",
}  # fmt: skip
NO_DECIMALS = {"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"}
THREE_DECIMALS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}


def decimals_of(currency: str) -> int:
    """Digits after the point of a currency's minor unit (ISO 4217)."""
    return 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def money(value: Any, currency: str, *, rounded: bool = False) -> str:
    """``€1,234.50``; `rounded` leaves the minor unit out, for sums on tiles."""
    if value is None:
        return ""
    amount = number_format(abs(value), 0 if rounded else decimals_of(currency), use_l10n=True, force_grouping=True)
    sign = SIGNS.get(currency)
    return ("−" if value < 0 else "") + (f"{sign}{amount}" if sign else f"{amount} {currency}")


def money_column(name: str, title: Any) -> Any:
    """A list's column with an amount in the row's own currency, else in the shop's."""

    @admin.display(description=title, ordering=name, empty_value="-")
    def column(row: Any) -> str | None:
        value: Decimal | None = getattr(row, name)
        return None if value is None else money(value, getattr(row, "currency", None) or row.shop.currency)

    column.needs_shop = True  # type: ignore[attr-defined]
    return column
