"""Audiences: customers by a saved rule, and their way out of the house, hashed and only with consent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import polars as pl

from commerce_ai.learning.live import live
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Customer
from plugins.advertising import hashing, queries
from plugins.advertising.models import Audience, AudienceExport, AudienceMember

LEAST = 10  # fewer customers than this are no group but persons: neither shown nor exported
_AT_ONCE = 2_000


class NotScored(Exception):
    """The rule asks for what no version has said yet; `what` is uplift or value."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class TooSmall(Exception):
    """Fewer than ten customers are left."""


def build(audience: Audience) -> Audience:
    """Find the members by the audience's rule, as consent and scores stand now. Raises `NotScored`."""
    rows = queries.audience_candidates(audience.shop_id, audience.campaign_id)
    if (audience.segments or audience.minimum_value is not None) and not rows["value"].is_not_null().any():
        raise NotScored("value")
    if audience.top_share is not None and not rows["uplift"].is_not_null().any():
        raise NotScored("uplift")
    if audience.segments:
        rows = rows.filter(pl.col("segment").is_in(audience.segments))
    if audience.minimum_value is not None:
        rows = rows.filter(pl.col("value") >= audience.minimum_value)
    if audience.top_share is not None:
        most = max(1, round(rows.height * audience.top_share))
        rows = rows.sort("uplift", "customer_id", descending=[True, False], nulls_last=True).head(most)
        rows = rows.filter(pl.col("uplift") > 0)  # the others are better left alone
    known = rows["uplift"].drop_nulls()
    extra = float(known.sum()) if len(known) else None
    version = next(iter(live(audience.shop_id, "advertising.uplift")), None)
    audience.fill(rows["customer_id"].to_list(), extra, version.version_id if version and extra is not None else None)
    return audience


def export(audience: Audience, platform: str, *, by: Any = None, api_key_id: int | None = None) -> bytes:
    """The members as a CSV of hashes, without whoever does not allow it at this moment. Raises `TooSmall`.

    Contact data is decrypted in memory only. That it was done is written down with how many it was.
    """
    members = AudienceMember.objects.of(audience.shop_id).filter(audience=audience)
    ids = list(members.order_by("customer_id").values_list("customer_id", flat=True))
    allowed = set(queries.allowed_customers(audience.shop_id, (Purpose.ADS, Purpose.PERSONALISATION)))
    kept = [each for each in ids if each in allowed]
    rows = [(email, phone) for email, phone in _contacts(audience.shop_id, kept, platform) if email or phone]
    if len(rows) < LEAST:
        raise TooSmall
    file = hashing.as_csv(rows, platform)
    AudienceExport.objects.of(audience.shop_id).create(
        shop_id=audience.shop_id, audience=audience, platform=platform, by=by, api_key_id=api_key_id, rows=len(rows),
        without_consent=len(ids) - len(kept), without_contact=len(kept) - len(rows),
        sha256=hashlib.sha256(file).hexdigest(),
    )  # fmt: skip
    return file


def shown_size(size: int) -> int | None:
    """How many, or None where it would be about persons."""
    return size if size == 0 or size >= LEAST else None


def _contacts(shop_id: int, ids: list[int], platform: str) -> Iterator[tuple[str, str]]:
    for start in range(0, len(ids), _AT_ONCE):
        some = Customer.objects.of(shop_id).filter(pk__in=ids[start : start + _AT_ONCE])
        for email, phone in some.values_list("email", "phone"):
            yield hashing.hashed_email(email), hashing.hashed_phone(phone, platform)
