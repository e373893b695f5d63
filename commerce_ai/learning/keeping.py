"""Whose files must stay: rooms to the left say which versions they still need, since learning does not know of them."""

from __future__ import annotations

from collections.abc import Callable, Collection

Find = Callable[[int], Collection[int]]

_finders: list[Find] = []


def keep_files_of(find: Find) -> None:
    """From now on the files of the versions that ``find(shop_id)`` names are never let go."""
    if find not in _finders:
        _finders.append(find)


def needed(shop_id: int) -> set[int]:
    return {each for find in _finders for each in find(shop_id)}
