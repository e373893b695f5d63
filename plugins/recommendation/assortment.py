"""What may be shown: masks over the catalogue's columns, and their like over a scorer's products.

Made once for each catalogue and kept until the next one; a filter that was asked before costs nothing. All masks
are read only: whoever leaves something out copies.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Indexes = npt.NDArray[np.int64]

KEPT_MASKS = 64  # 100 kB each for 100,000 products


class Filters(msgspec.Struct, frozen=True):
    """Conditions on products; none set means whatever can be sold.

    `category` is a path and means all below it, too; prices are in the shop's currency, both ends included.
    `in_stock` leaves out products whose stock is not tracked; sold-out ones never come.
    """

    category: str = ""
    brand: str = ""
    price_min: float | None = None
    price_max: float | None = None
    in_stock: bool = False


EVERYTHING = Filters()


class Assortment:
    """One catalogue, as recommendations look at it."""

    def __init__(self, catalogue: Any) -> None:
        self.catalogue = catalogue
        self.items = len(catalogue.id)
        self._masks: OrderedDict[tuple[Any, Filters], Mask] = OrderedDict()
        self._ranges: dict[Any, Range] = {}
        self._lock = threading.Lock()

    def mask(self, filters: Filters = EVERYTHING) -> Mask:
        """Over the catalogue: sellable and fulfilling `filters`."""
        return self._kept((None, filters), lambda: self._select(filters))

    def range(self, key: Any, product_ids: npt.NDArray[Any]) -> Range:
        """How the products of a scorer stand in this catalogue; `key` names the scorer's version."""
        found = self._ranges.get(key)
        if found is None or found.product_ids is not product_ids:
            found = Range(self, key, product_ids)
            with self._lock:
                # A few versions at a time are live; whatever was live before them is let go.
                while len(self._ranges) >= 8:
                    self._ranges.pop(next(iter(self._ranges)))
                self._ranges[key] = found
        return found

    def inherit(self, old: Assortment) -> None:
        """Take over how scorers' products stand where no product came or went: prices and stock don't move them."""
        same = old.items == self.items and (
            old.catalogue.id is self.catalogue.id or np.array_equal(old.catalogue.id, self.catalogue.id)
        )
        if same:
            self._ranges = {key: each.over(self) for key, each in old._ranges.items()}

    def _kept(self, key: tuple[Any, Filters], make: Any) -> Mask:
        found = self._masks.get(key)
        if found is None:
            found = make()
            found.flags.writeable = False
            with self._lock:
                self._masks[key] = found
                while len(self._masks) > KEPT_MASKS:
                    self._masks.popitem(last=False)
        return found

    def _select(self, filters: Filters) -> Mask:
        catalogue = self.catalogue
        mask = catalogue.sellable.copy()
        if filters.category:
            mask &= catalogue.in_category(filters.category)
        if filters.brand:
            wanted = filters.brand.casefold()
            codes = [code for code, brand in enumerate(catalogue.brands) if brand.casefold() == wanted]
            mask &= np.isin(catalogue.brand, codes)
        # A product without a price is not between any two.
        if filters.price_min is not None:
            mask &= catalogue.price >= filters.price_min
        if filters.price_max is not None:
            mask &= catalogue.price <= filters.price_max
        if filters.in_stock:
            mask &= catalogue.stock > 0
        return mask


class Range:
    """A scorer's products in a catalogue.

    `places[i]` is where the scorer's product `i` stands in the catalogue, `numbers[p]` the scorer's number of what
    stands at `p`; -1 is nowhere. Ids of ours are integers; an artifact made from files has the shop's own, as text.
    """

    places: Indexes
    numbers: npt.NDArray[np.int32]

    def __init__(
        self, assortment: Assortment, key: Any, product_ids: npt.NDArray[Any], old: Range | None = None
    ) -> None:
        self.assortment, self.key, self.product_ids = assortment, key, product_ids
        self.places, self.numbers = (old.places, old.numbers) if old else self._stand()
        self._known = bool((self.places >= 0).all())

    def _stand(self) -> tuple[Indexes, npt.NDArray[np.int32]]:
        catalogue, ids = self.assortment.catalogue, self.product_ids
        text = ids.dtype.kind in "US"
        places = catalogue.index_of_external(ids.tolist()) if text else catalogue.index_of(ids)
        there = np.flatnonzero(places >= 0)
        numbers = np.full(self.assortment.items, -1, dtype=np.int32)
        numbers[places[there]] = there
        return places, numbers

    def over(self, assortment: Assortment) -> Range:
        return Range(assortment, self.key, self.product_ids, self)

    def mask(self, filters: Filters = EVERYTHING) -> Mask:
        """Over the scorer's products: those that may be shown."""
        return self.assortment._kept((self.key, filters), lambda: self._carry(self.assortment.mask(filters)))

    def mask_without(self, filters: Filters, places: Indexes) -> Mask:
        """`mask` less what stands at these places of the catalogue."""
        mask = self.mask(filters)
        numbers = self.numbers_of(places)
        if not len(numbers):
            return mask
        copy = mask.copy()
        copy[numbers] = False
        return copy

    def numbers_of(self, places: Indexes) -> npt.NDArray[np.int32]:
        """The scorer's numbers of what stands at these places, without those that it does not know."""
        if not len(places):
            return np.empty(0, np.int32)
        numbers = self.numbers[places]
        return numbers[numbers >= 0]

    def _carry(self, mask: Mask) -> Mask:
        if not len(mask):
            return np.zeros(len(self.places), dtype=bool)
        carried = mask[self.places]  # -1 looks at the last one, which is undone below
        if not self._known:
            carried &= self.places >= 0
        return carried
