"""Groups of people as the console may show them: none so small that it tells of a person (k-anonymity).

Sweeney, *k-anonymity: a model for protecting privacy*, 2002. A page that shows groups of customers, visitors or visits
with anything about them passes its rows through `at_least_k`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

K = 10
Row = TypeVar("Row", bound=Mapping[str, Any])


def at_least_k(rows: Iterable[Row], count_column: str, k: int = K) -> list[Row]:
    """The rows whose `count_column` counts at least `k` people, in their order.

    Where one small group alone would be left out, the smallest of the others goes with it: beside a total, what is
    missing would tell its size and its figures. Raises ValueError for k below 2, KeyError for a row without the count.
    """
    if k < 2:
        raise ValueError(f"k is at least 2, not {k}")
    given = list(rows)
    small = [place for place, row in enumerate(given) if row[count_column] < k]
    hidden = {place for place in small if given[place][count_column] > 0}
    kept = [place for place in range(len(given)) if place not in set(small)]
    if len(hidden) == 1 and kept:
        kept.remove(min(kept, key=lambda place: (given[place][count_column], place)))
    return [given[place] for place in kept]
