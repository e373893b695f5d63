"""IP addresses: whole only on payments, and only while the shop has its fraud checks on; else the network alone.

Events never have one: the tracking door skips `context.ip` unseen and cuts addresses out of properties.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from django.apps import apps
from django.db import connection, models

from commerce_ai import registry
from commerce_ai.shop.models import Shop

IPV4_BITS, IPV6_BITS = 24, 48  # of an address that are kept
FRAUD = "fraud"
_AT_ONCE = 5_000


def keeps_whole(shop_id: int) -> bool:
    """Whether payments of the shop are stored with their whole address. Warm."""
    return registry.is_on(shop_id, FRAUD)


def as_stored(shop_id: int, address: str | None) -> str | None:
    """An address as it may be stored with a payment of this shop; None for what is none."""
    if not address:
        return None
    try:
        return str(ipaddress.ip_address(address.strip())) if keeps_whole(shop_id) else network_of(address)
    except ValueError:
        return None


def network_of(address: str) -> str:
    """The address with only its network's bits: 203.0.113.7 → 203.0.113.0. Raises ValueError for what is none."""
    given = ipaddress.ip_address(address.strip())
    if isinstance(given, ipaddress.IPv6Address):
        if given.ipv4_mapped is not None:
            return network_of(str(given.ipv4_mapped))
        given = ipaddress.IPv6Address(int(given))  # without the name of a network card
    bits = IPV4_BITS if given.version == 4 else IPV6_BITS
    return str(ipaddress.ip_network((given, bits), strict=False).network_address)


def truncate_stored() -> int:
    """Bring what is stored to what may be: in every shop where fraud checks are off; how many rows changed."""
    return sum(_truncate(shop.pk) for shop in Shop.objects.all() if not keeps_whole(shop.pk))


def _truncate(shop_id: int) -> int:
    changed = 0
    for model in apps.get_models():
        columns = [each for each in model._meta.concrete_fields if isinstance(each, models.GenericIPAddressField)]
        shop: Any = next(
            (each for each in model._meta.concrete_fields if each.remote_field and each.related_model is Shop), None
        )
        for column in columns if shop is not None and model._meta.managed and model._meta.pk is not None else ():
            ip = _quote(column.column)
            statement = _TRUNCATE.format(
                table=_quote(model._meta.db_table), key=_quote(model._meta.pk.column), ip=ip,
                shop=_quote(shop.column), short=_SHORT.format(ip=ip, v4=IPV4_BITS, v6=IPV6_BITS),
            )  # fmt: skip
            rows = _AT_ONCE
            while rows == _AT_ONCE:
                with connection.cursor() as cursor:
                    cursor.execute(statement, [shop_id, _AT_ONCE])
                    rows = cursor.rowcount
                    changed += rows
    return changed


_SHORT = "host(network(set_masklen({ip}, CASE family({ip}) WHEN 4 THEN {v4} ELSE {v6} END)))::inet"
# Whoever holds a row is not waited for: the next sweep finds it.
_TRUNCATE = """
    WITH long AS MATERIALIZED (
        SELECT {key} FROM {table} WHERE {shop} = %s AND {ip} IS NOT NULL AND {ip} <> {short}
        LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE {table} SET {ip} = {short} FROM long WHERE {table}.{key} = long.{key}
"""


def _quote(name: str | None) -> str:
    return connection.ops.quote_name(name or "")
