"""The versions that answer, ready in memory. A new one is loaded beside the old, then swapped.

Only what serves is imported here: a learner's `load` needs neither torch nor transformers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from commerce_ai import registry
from commerce_ai.learning.learner import Learner, Scorer
from commerce_ai.shop.revision import Warm

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveVersion:
    """A scorer and where it comes from. `metrics` are those that the gate saw; `trained_until` bounds its facts."""

    version_id: int
    learner: Learner
    scorer: Scorer
    metrics: Mapping[str, float | None]
    trained_until: datetime | None
    artifact_folder: Path
    recipe: str


def live(shop_id: int, slot: str) -> tuple[LiveVersion, ...]:
    """What is live in a slot of a shop, best first by the learners' metric; empty where nothing is. Warm.

    Reads nothing from Postgres once loaded; a move of *live* shows at the refresher's next poll. A version that
    can't be loaded leaves the one before it answering, and says so on its row (`Version.load_error`) and in the log.
    """
    return _warm(slot).get(shop_id)


def answering(shop_id: int, slot: str, instead: LiveVersion | None = None) -> tuple[LiveVersion, ...]:
    """What is `live`, with one version (of any state, by `load`) in the place of the live one that it would replace."""
    now = live(shop_id, slot)
    if instead is None or instead.learner.slot != slot or instead in now:
        return now
    single = registry.slot(slot).single
    others = () if single else (each for each in now if each.learner.name != instead.learner.name)
    return tuple(sorted((*others, instead), key=_rank))


def load(shop_id: int, version_id: int) -> LiveVersion | None:
    """One version of a shop, whatever its state, from its files: reads Postgres. None, with the reason on its row, if
    it can't be loaded."""
    from commerce_ai.learning.models import Version

    row = Version.objects.of(shop_id).filter(pk=version_id).select_related("shop").first()
    return None if row is None else _try(row)


def load_all() -> None:
    """Load everything that is live, so that no visitor pays for it: a web process does so when it starts."""
    from commerce_ai.learning.models import Version

    rows = Version.objects.filter(state=Version.State.LIVE).order_by("shop_id", "slot")  # every shop's
    for shop_id, slot in rows.values_list("shop_id", "slot").distinct():
        try:
            live(shop_id, slot)
        except Exception:
            logger.exception("what is live in %s of shop %s can't be loaded", slot, shop_id)


@cache
def _warm(slot: str) -> Warm[tuple[LiveVersion, ...]]:
    return Warm(
        "versions",
        lambda shop_id: _load(shop_id, slot, ()),
        reload=lambda shop_id, old: _load(shop_id, slot, old),
    )


def _load(shop_id: int, slot: str, old: tuple[LiveVersion, ...]) -> tuple[LiveVersion, ...]:
    from commerce_ai.learning.models import Version

    known = {each.version_id: each for each in old}
    found = []
    for row in Version.objects.of(shop_id).filter(slot=slot, state=Version.State.LIVE).select_related("shop"):
        each = known.get(row.pk) or _try(row) or _stand_in(row, slot, old)
        if each is not None and each not in found:
            found.append(each)
    return tuple(sorted(found, key=_rank))


def _try(row: Any) -> LiveVersion | None:
    """The version, loaded; None, with the reason on its row, if that fails."""
    from commerce_ai.learning import artifacts

    try:
        learner = registry.learner(row.learner)
        folder = artifacts.fetch(row)
        loaded = LiveVersion(row.pk, learner, learner.load(folder), row.metrics, row.trained_until, folder, row.recipe)
    except Exception as error:
        logger.exception("%s can't be loaded; what answered before goes on answering", row)
        _say(row, f"{type(error).__name__}: {error}"[:2000])
        return None
    if row.load_error:
        _say(row, "")
    return loaded


def _stand_in(row: Any, slot: str, old: tuple[LiveVersion, ...]) -> LiveVersion | None:
    """What answered in the same place before; where the slot takes many, of the same learner."""
    single = registry.slot(slot).single
    return next((each for each in old if single or each.learner.name == row.learner), None)


def _say(row: Any, error: str) -> None:
    type(row).objects.filter(pk=row.pk).update(load_error=error)


def _rank(each: LiveVersion) -> tuple[bool, float, int]:
    """Best metric first; those without a figure last; newer before older."""
    metric = each.learner.metric
    figure = each.metrics.get(metric.name)
    if figure is None:
        return (True, 0.0, -each.version_id)
    return (False, -figure if metric.direction == "max" else figure, -each.version_id)
