"""Money as it leaves us: rounded to the currency's smallest unit, half away from zero, as text."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

# ISO 4217: currencies whose smallest unit is not a hundredth.
_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {currency: digits for digits, currencies in _BY_DIGITS.items() for currency in currencies.split()}
_UNITS = [Decimal(1).scaleb(-digits) for digits in range(5)]


def minor_digits(currency: str) -> int:
    """Digits after the point: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _DIGITS.get(currency, 2)


def rounded(amount: Decimal | float, currency: str) -> Decimal:
    """`amount` in whole smallest units of the currency."""
    exact = amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))
    return exact.quantize(_UNITS[minor_digits(currency)], rounding=ROUND_HALF_UP)


def money_text(amount: Decimal | float, currency: str) -> str:
    """How JSON carries money: ``"12.90"`` in EUR, ``"13"`` in JPY."""
    return format(rounded(amount, currency), "f")
