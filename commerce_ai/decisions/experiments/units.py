"""Who is drawn: one token for a visitor or a customer, the same before and after they are identified.

A visitor is their anonymous id. A customer is the first id that was seen of them: of their earliest *proven*
identity, else the anonymous id they come with now, else their own id. So whoever was drawn as a stranger keeps the arm
when they sign in, and every other device follows it from its sign-in on. What came first is kept in this process and
for 40 days after the last use in Redis; where both have lost it, it is read from Identity once.

Tokens are keyed hashes: nothing outside Postgres says who they are.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from commerce_ai.crypto import keyed_hash
from commerce_ai.shop.models import Customer, Identity

KEPT_S = 40 * 24 * 3600
MOST = 100_000
PURPOSE = "experiment unit"


class First(NamedTuple):
    """The token that a customer is drawn by, and the country of their row when it was first asked for."""

    token: str
    country: str


def token_of(shop_id: int, unit: str, subject: Any) -> str | None:
    """The token of an api `Subject` for experiments on `unit` (visitor, customer); None for who has no id at all."""
    customer = subject.customer_external_id if subject.proven else None
    if customer and (unit == "customer" or not subject.anonymous_id):
        return first_of(shop_id, customer, subject.anonymous_id).token
    return _hash(shop_id, "a", subject.anonymous_id) if subject.anonymous_id else None


def country_of(shop_id: int, subject: Any) -> str:
    """The country of a proven customer, empty for everybody else."""
    customer = subject.customer_external_id if subject.proven else None
    return first_of(shop_id, customer, subject.anonymous_id).country if customer else ""


def first_of(shop_id: int, external_id: str, anonymous_id: str | None) -> First:
    """Warm for who was asked for before; otherwise a round trip to Redis, and to Postgres where that has none."""
    key = _hash(shop_id, "c", external_id)
    with _lock:
        if found := _kept.get(key):
            _kept.move_to_end(key)
            return found
    found = _from_redis(key) or _agree(key, _look(shop_id, external_id, anonymous_id, key))
    with _lock:
        _kept[key] = found
        if len(_kept) > MOST:
            _kept.popitem(last=False)
    return found


def forget_all() -> None:
    """Let go of what this process keeps (between tests)."""
    with _lock:
        _kept.clear()


_kept: OrderedDict[str, First] = OrderedDict()
_lock = Lock()


def _look(shop_id: int, external_id: str, anonymous_id: str | None, key: str) -> First:
    rows = Identity.objects.of(shop_id).filter(customer__external_id=external_id, proven=True).order_by("at", "pk")
    first = rows.values_list("anonymous_id", flat=True).first() or anonymous_id
    country = Customer.objects.of(shop_id).filter(external_id=external_id).values_list("country", flat=True).first()
    return First(_hash(shop_id, "a", first) if first else key, country or "")


def _from_redis(key: str) -> First | None:
    try:
        return _read(_client().getex(_name(key), ex=KEPT_S))
    except (redis.RedisError, OSError):
        return None


def _agree(key: str, mine: First) -> First:
    """What the first of several processes said."""
    try:
        pipeline = _client().pipeline(transaction=False)
        pipeline.set(_name(key), f"{mine.country} {mine.token}", nx=True, ex=KEPT_S)
        pipeline.get(_name(key))
        return _read(pipeline.execute()[1]) or mine
    except (redis.RedisError, OSError):
        return mine


def _read(value: Any) -> First | None:
    if not value:
        return None
    country, _space, token = value.decode().partition(" ")
    return First(token, country)


def _name(key: str) -> str:
    return f"{settings.QUEUE_PREFIX}unit:{key}"


def _hash(shop_id: int, kind: str, who: str) -> str:
    return keyed_hash(f"{shop_id}:{kind}:{who}", purpose=PURPOSE).hex()[:32]


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.05, socket_connect_timeout=0.05, retry=Retry(NoBackoff(), 1)
    )
