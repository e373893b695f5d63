"""Which campaign to think of, and whether to show it: by what it brings, and for some by chance.

Two draws, so that what is learned is clean: first a campaign is *considered*, then it is *shown* or *held out*. The
probability of being shown, given what was considered, goes with the decision; later rows count by its inverse. The
draws are a hash of the customer and the period, so that who was held out stays held out until it can be judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

HALF = 0.5  # of what chance considers, half is shown: the most that so many decisions can teach


@dataclass(frozen=True)
class Choice:
    """`index` of the campaign considered; `propensity` of its having been shown; `chance`: the draw decided."""

    index: int
    shown: bool
    propensity: float
    chance: bool


def choose(names: Sequence[str], gains: Sequence[float] | None, key: str, explore: float, share: float) -> Choice:
    """One of the campaigns `names` for the person behind `key`.

    `gains` is what showing each brings, costs taken off; without them (None) any campaign is considered and shown
    to the `share` of people. With them the best is considered and shown if it brings anything, but for the part
    `explore` of the people any is, and shown to half of them.
    """
    anyone = min(int(draw(key, "which") * len(names)), len(names) - 1)
    if gains is None:
        return Choice(anyone, draw(key, "show", names[anyone]) < share, share, True)
    best = max(range(len(names)), key=lambda place: (gains[place], -place))
    by_chance = draw(key, "explore") < explore
    index = anyone if by_chance else best
    brings = gains[best] > 0
    shown = draw(key, "show", names[index]) < HALF if by_chance else brings
    return Choice(index, shown, _propensity(index == best, brings, explore, len(names)), by_chance)


def draw(*words: str) -> float:
    """A number in [0, 1), even, the same for the same words."""
    digest = hashlib.blake2b("\x1f".join(words).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _propensity(is_best: bool, brings: bool, explore: float, campaigns: int) -> float:
    """P(shown | considered), over both ways to come to consider the campaign."""
    if not is_best:
        return HALF
    by_chance, by_model = explore / campaigns, 1 - explore
    return (by_chance * HALF + by_model * brings) / (by_chance + by_model)
