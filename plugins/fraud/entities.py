"""Who and what a payment is tied to, as numbers that tell nobody anything: keyed hashes, the same in every process."""

from __future__ import annotations

from commerce_ai.crypto import keyed_hash


def customer(customer_id: str | None, card: str | None) -> str | None:
    """Names who pays: the customer, else the card of a guest; None for a stranger."""
    return f"customer {customer_id}" if customer_id else f"card {card}" if card else None


def terminal(device_id: str | None, card: str | None, ip: str | None) -> str | None:
    """Names what is paid with: the device, else the card, else the address on the net."""
    if device_id:
        return f"device {device_id}"
    return f"card {card}" if card else f"ip {ip}" if ip else None


def number(shop_id: int, name: str | None) -> int | None:
    """63 bits of the keyed hash of a name in a shop: what frames, artifacts and Redis know it by."""
    if name is None:
        return None
    return int.from_bytes(keyed_hash(f"{shop_id}\0{name}", purpose="fraud entity")[:8], "big") >> 1
