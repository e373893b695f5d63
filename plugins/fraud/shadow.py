"""Judges again the payment that a decision was about, for versions in the shadow: by the facts that it keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from commerce_ai.decisions.experiments.drawing import Drawn
from commerce_ai.decisions.experiments.shadow import Again
from plugins.fraud import features, policy, rules
from plugins.fraud.forms import SLOT
from plugins.fraud.service import RULE_ODDS, costs_of, limits_of


def again(shop_id: int, decision: Any, drawn: Drawn) -> Again | None:
    """The verdict now, as if there were time to review it; no case, no review is taken. None without the facts."""
    figures = decision.payload.get("context", {}).get("features", {})
    amount = (decision.payload.get("value") or {}).get("amount")
    if amount is None or not set(features.NAMES) <= figures.keys():
        return None
    known = np.array([[figures[name] for name in features.NAMES]], np.float64)
    settings = drawn.settings
    version = None if settings.rules_only else next(iter(drawn.versions(SLOT)), None)
    if version is not None:
        odds = float(version.scorer.probabilities(known)[0])
    else:  # countries are not kept
        hits = rules.broken(known, set(), limits_of(settings))
        odds = RULE_ODDS[min(len(hits), len(RULE_ODDS) - 1)]
    choice = policy.choose(odds, amount, costs_of(settings), reviews_left=True)
    return Again((choice.action,), version.version_id if version else None, version is None)
