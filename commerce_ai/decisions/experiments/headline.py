"""The one figure that says what all AI is worth: everybody else against the holdout, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from commerce_ai.decisions.experiments import lifecycle, results
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.experiments.verdict import verdict
from commerce_ai.decisions.models import Outcome
from commerce_ai.shop.models import Shop

INFLUENCED_DAYS = 28


@dataclass(frozen=True)
class Headline:
    """`lift` is (estimate, low, high), 0.22 for +22 %; None as long as it must not be shown: `words` say why, the most
    important sentence first. `days_left` until +10 % can be seen, where that can be told.

    `influenced` is the revenue attributed in the last `influenced_days`: never the headline, as much of it would have
    come without any AI. Show it greyed, and name it so.
    """

    holdout: Experiment | None
    running: bool
    words: tuple[str, ...]
    lift: tuple[float, float, float] | None
    with_ai: float | None
    without: float | None
    days_left: int | None
    blocked: bool
    influenced: Decimal
    influenced_days: int = INFLUENCED_DAYS


def headline(shop: Shop) -> Headline:
    """From the figures as they were last counted: three small queries."""
    holdout = lifecycle.holdout_of(shop)
    found = results.summary(holdout) if holdout else None
    best = found.best if found and not found.blocked else None
    return Headline(
        holdout=holdout,
        running=holdout is not None and holdout.state == Experiment.State.RUNNING,
        words=tuple(verdict(holdout, found)) if holdout else (),
        lift=best.lift if best else None,
        with_ai=best.value if best else None,
        without=found.control.value if found and best else None,
        days_left=found.days_left if found else None,
        blocked=bool(found and found.blocked),
        influenced=influenced(shop),
    )


def influenced(shop: Shop) -> Decimal:
    """Revenue attributed to decisions lately, in the shop's currency."""
    lately = Outcome.objects.of(shop).filter(made_at__gte=timezone.now() - timedelta(days=INFLUENCED_DAYS))
    return lately.aggregate(sum=Sum("revenue"))["sum"] or Decimal(0)
