"""The shop's products as columns in memory: what hot paths filter by, at most two seconds old.

A change of few products is read alone: those whose `updated_at` is not before the last reading. What such a
reading can't see (deleted rows, an update that passed `updated_at` by) shows in totals, and then all is read again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from django.db import connections

from commerce_ai.shop import frames
from commerce_ai.shop.money import money_text
from commerce_ai.shop.revision import Warm

__all__ = ["Catalogue", "catalogue_of", "load", "reload"]

Integers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Codes: TypeAlias = "np.ndarray[Any, np.dtype[np.int32]]"
Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

# Clocks of machines differ a little, and an instant is taken before its transaction begins.
_MARGIN = timedelta(seconds=10)

_SCHEMA: dict[str, Any] = {
    "id": pl.Int64,
    "external_id": pl.String,
    "parent": pl.Int64,
    "is_group": pl.Boolean,
    "title": pl.String,
    "category": pl.String,
    "brand": pl.String,
    "price": pl.Float64,
    "image_url": pl.String,
    "url": pl.String,
    "active": pl.Boolean,
    "stock": pl.Float64,
}
_ROWS = """
    SELECT p.id, p.external_id, coalesce(p.parent_id, -1) AS parent, p.is_group, p.title, p.category, p.brand,
           p.price, p.image_url, p.url, p.active, s.stock
    FROM shop_product p
    LEFT JOIN (SELECT product_id, sum(on_hand - reserved) AS stock FROM shop_stocklevel WHERE shop_id = %(shop)s {which}
               GROUP BY product_id) s ON s.product_id = p.id
    WHERE p.shop_id = %(shop)s {these} ORDER BY p.id
"""
_CHANGED = """
    SELECT id FROM shop_product WHERE shop_id = %(shop)s AND updated_at >= %(since)s
    UNION SELECT product_id FROM shop_stocklevel WHERE shop_id = %(shop)s AND updated_at >= %(since)s
"""
_TOTALS = """
    SELECT count(*), count(*) FILTER (WHERE active), coalesce(sum(price), 0), s.products, s.stock
    FROM shop_product,
         (SELECT count(DISTINCT product_id) AS products, coalesce(sum(on_hand - reserved), 0) AS stock
          FROM shop_stocklevel WHERE shop_id = %(shop)s) s
    WHERE shop_id = %(shop)s GROUP BY s.products, s.stock
"""
# A transaction that is still open will show rows from before now: they are looked for again from its beginning on.
_SINCE = """
    SELECT least(now(), min(xact_start)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL
"""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All products of a shop, one place each, in the order of their ids. The arrays are read-only.

    `price` is NaN where unknown; `stock` is what is free over all locations, NaN where it isn't tracked; `category` and
    `brand` are codes into `categories` and `brands` (sorted; the empty text is one of them); `parent` is the id
    of the group a variant belongs to, or -1.
    """

    shop_id: int
    currency: str
    id: Integers
    external_id: list[str]
    parent: Integers
    is_group: Mask
    title: list[str]
    category: Codes
    categories: list[str]
    brand: Codes
    brands: list[str]
    price: Floats
    stock: Floats
    active: Mask
    sellable: Mask  # active, no group, and in stock or not tracked
    image_url: list[str]
    url: list[str]
    frame: pl.DataFrame = field(repr=False)
    since: datetime = field(repr=False)

    def __len__(self) -> int:
        return len(self.id)

    def index_of(self, ids: Sequence[int] | Integers) -> Integers:
        """The places of these product ids; -1 for an unknown one."""
        wanted = np.asarray(ids, dtype=np.int64)
        if not len(self.id):
            return np.full(wanted.shape, -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.id, wanted), len(self.id) - 1)
        return np.where(self.id[places] == wanted, places, -1)

    def index_of_external(self, external_ids: Sequence[str]) -> Integers:
        """The places of these external ids; -1 for an unknown one."""
        places = self._places
        return np.fromiter((places.get(name, -1) for name in external_ids), dtype=np.int64, count=len(external_ids))

    def in_category(self, path: str) -> Mask:
        """Which products lie in the category or below it: ``A > B`` and ``A > B > C`` in ``A > B``, not ``A > BC``."""
        below = f"{path} > "
        inside = np.fromiter(
            (name == path or name.startswith(below) for name in self.categories), np.bool_, len(self.categories)
        )
        return inside[self.category]

    def price_text(self, place: int) -> str | None:
        """The price as it leaves us, rounded to the currency's smallest unit; None where it is unknown."""
        price = float(self.price[place])
        return None if math.isnan(price) else money_text(price, self.currency)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.external_id)}


def load(shop_id: int) -> Catalogue:
    """Read the whole catalogue."""
    since = _since()
    rows = frames.read(_ROWS.format(which="", these=""), {"shop": shop_id}, _SCHEMA)
    return _catalogue(shop_id, rows, since, None)


def reload(shop_id: int, old: Catalogue) -> Catalogue:
    """The catalogue of now, from the old one and the products that changed since; equal to what `load` gives."""
    since = _since()
    changed = frames.read(_CHANGED, {"shop": shop_id, "since": old.since}, {"id": pl.Int64})["id"].to_list()
    if len(changed) > max(1000, len(old) // 5):
        return load(shop_id)
    rows = old.frame
    if changed:
        statement = _ROWS.format(which="AND product_id = ANY(%(ids)s)", these="AND p.id = ANY(%(ids)s)")
        fresh = frames.read(statement, {"shop": shop_id, "ids": changed}, _SCHEMA)
        rows = pl.concat([rows.filter(~pl.col("id").is_in(changed)), fresh]).sort("id")
    return _catalogue(shop_id, rows, since, old) if _agrees(shop_id, rows) else load(shop_id)


catalogue_of = Warm("catalogue", load, reload=reload).get


def _since() -> datetime:
    with connections["default"].cursor() as cursor:
        cursor.execute(_SINCE)
        return cursor.fetchone()[0] - _MARGIN


def _agrees(shop_id: int, rows: pl.DataFrame) -> bool:
    """Whether the totals of the tables are those of `rows`."""
    with connections["default"].cursor() as cursor:
        cursor.execute(_TOTALS, {"shop": shop_id})
        there = cursor.fetchone() or (0, 0, 0, 0, 0)
    here = (
        rows.height,
        rows["active"].sum(),
        rows["price"].sum(),
        rows["stock"].count(),
        rows["stock"].sum(),
    )
    return all(math.isclose(a, b, rel_tol=1e-12, abs_tol=5e-5) for a, b in zip(map(float, there), here, strict=True))


def _catalogue(shop_id: int, rows: pl.DataFrame, since: datetime, old: Catalogue | None) -> Catalogue:
    """Columns that are as they were are taken over, so that what others keep by them stays good."""

    def same(name: str) -> bool:
        return old is not None and rows[name].equals(old.frame[name], null_equal=True)

    def array(name: str, dtype: Any, empty: Any = None) -> Any:
        if same(name):
            return getattr(old, name)
        column = rows[name] if empty is None else rows[name].fill_null(empty)
        return _frozen(column.to_numpy().astype(dtype))

    def texts(name: str) -> list[str]:
        return getattr(old, name) if same(name) else rows[name].to_list()

    def codes(name: str, names: str) -> tuple[Codes, list[str]]:
        if same(name):
            return getattr(old, name), getattr(old, names)
        words = rows[name].unique().sort()
        return _frozen(np.searchsorted(words.to_numpy(), rows[name].to_numpy()).astype(np.int32)), words.to_list()

    category, categories = codes("category", "categories")
    brand, brands = codes("brand", "brands")
    stock, active, is_group = (
        array("stock", np.float64, math.nan),
        array("active", np.bool_),
        array("is_group", np.bool_),
    )
    made = Catalogue(
        shop_id=shop_id,
        currency=_currency(shop_id),
        id=array("id", np.int64),
        external_id=texts("external_id"),
        parent=array("parent", np.int64),
        is_group=is_group,
        title=texts("title"),
        category=category,
        categories=categories,
        brand=brand,
        brands=brands,
        price=array("price", np.float64, math.nan),
        stock=stock,
        active=active,
        sellable=_frozen(active & ~is_group & ~(stock <= 0)),
        image_url=texts("image_url"),
        url=texts("url"),
        frame=rows,
        since=since,
    )
    if old is not None and made.external_id is old.external_id and "_places" in vars(old):
        vars(made)["_places"] = old._places
    return made


def _currency(shop_id: int) -> str:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT currency FROM shop_shop WHERE id = %s", [shop_id])
        row = cursor.fetchone()
        return row[0] if row else ""


def _frozen(values: Any) -> Any:
    values.flags.writeable = False
    return values
