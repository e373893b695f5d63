"""May this version answer? The pure decision, on evaluations that somebody else made.

The gate judges a *recipe* (learner and params), not the luck of one training. A new recipe has to win against
the live one, refitted on the same rows; a refresh of the live recipe only has to be as good as it was, so that
fresh facts go live every night without a contest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from commerce_ai.learning.bootstrap import Comparison, compare, standard_error
from commerce_ai.learning.learner import Evaluation, Metric

WIN_SHARE = 0.9
TOLERANCE = 0.05
MIN_UNITS = 10  # below this a bootstrap wins by chance: with three units, one time in eight
NOISE = 3 * 2**0.5  # three standard errors of a difference between two figures of equal error


@dataclass(frozen=True)
class Verdict:
    """`reason` says why, with the figures. The numbers compare with `against`: the live recipe or the baseline."""

    live: bool
    reason: str
    against: str
    win_share: float
    difference: float
    interval: tuple[float, float]


def judge(
    metric: Metric,
    candidate: Evaluation,
    *,
    live: Evaluation | None = None,
    refresh: bool = False,
    last_score: float | None = None,
    win_share: float = WIN_SHARE,
    tolerance: float = TOLERANCE,
    resamples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Decide by `metric` whether the candidate goes live.

    - *A new recipe*: `live` is the evaluation of the live recipe, refitted on the candidate's training rows, on the
      same test rows. The candidate must win in at least `win_share` of the paired resamples (ties are no wins) and
      be no worse than its baseline.
    - *The first version of a slot* (neither `live` nor `refresh`): no worse than its baseline.
    - *A refresh* (`refresh`: the live version has the same recipe): not shown to be worse than its baseline (in
      `win_share` of the resamples), nor worse than `last_score` by more than `tolerance` of it, or by more than what
      other units alone would explain.
    """
    if not candidate.sample.height:
        return Verdict(False, _(NO_UNITS), metric.baseline, 0.0, 0.0, (0.0, 0.0))
    paired = compare(candidate.sample, candidate.baseline_sample, metric, resamples=resamples, seed=seed)
    said: dict[str, Any] = {
        "metric": metric.name, "score": _figure(paired.candidate),
        "baseline": metric.baseline, "bar": _figure(paired.other),
    }  # fmt: skip

    def verdict(goes_live: bool, words: str, against: str = metric.baseline, by: Comparison = paired) -> Verdict:
        return Verdict(goes_live, _(words) % said, against, by.win_share, by.difference, by.interval)

    if not math.isfinite(paired.candidate):
        return verdict(False, NO_FIGURE)
    worse = metric.better(paired.other, paired.candidate)
    if worse and (not refresh or paired.loss_share >= win_share):
        return verdict(False, WORSE)
    if refresh:
        if last_score is None:
            return verdict(True, REFRESH)
        room = max(tolerance * abs(last_score), NOISE * standard_error(candidate.sample, metric, seed=seed))
        said |= {"last": _figure(last_score), "room": _figure(room)}
        fell = last_score - paired.candidate if metric.direction == "max" else paired.candidate - last_score
        return verdict(False, FELL) if fell > room else verdict(True, HELD)
    if live is None:
        return verdict(True, FIRST)

    contest = compare(candidate.sample, live.sample, metric, resamples=resamples, seed=seed)
    won = contest.units >= MIN_UNITS and contest.win_share >= win_share
    said |= {
        "score": _figure(contest.candidate), "live": _figure(contest.other), "units": contest.units,
        "low": _figure(contest.interval[0]), "high": _figure(contest.interval[1]), "least": MIN_UNITS,
        "share": f"{contest.win_share:.0%}", "needed": f"{win_share:.0%}",
    }  # fmt: skip
    words = WON if won else LOST if contest.units >= MIN_UNITS else FEW
    return verdict(won, words, "live", contest)


NO_UNITS = gettext_noop("There was nothing to judge it on: no test unit.")
NO_FIGURE = gettext_noop("%(metric)s can't be computed on the test rows.")
WORSE = gettext_noop("%(metric)s is %(score)s, worse than %(baseline)s with %(bar)s.")
FIRST = gettext_noop("First version: %(metric)s is %(score)s, %(baseline)s has %(bar)s.")
REFRESH = gettext_noop("Refresh: %(metric)s is %(score)s, %(baseline)s has %(bar)s.")
HELD = gettext_noop(
    "Refresh: %(metric)s is %(score)s, its last score was %(last)s (tolerance %(room)s); %(baseline)s has %(bar)s."
)
FELL = gettext_noop(
    "Refresh: %(metric)s is %(score)s, its last score was %(last)s: more than the tolerance of %(room)s is lost."
)
WON = gettext_noop(
    "%(metric)s is %(score)s, the live recipe on the same data has %(live)s: better in %(share)s of the resamples "
    "(needed: %(needed)s); 90%% interval of the difference %(low)s to %(high)s, %(units)s units."
)
LOST = gettext_noop(
    "%(metric)s is %(score)s, the live recipe on the same data has %(live)s: better in only %(share)s of the "
    "resamples (needed: %(needed)s); 90%% interval of the difference %(low)s to %(high)s, %(units)s units."
)
FEW = gettext_noop("Only %(units)s test units: at least %(least)s are needed to prefer a new recipe.")


def _figure(value: float) -> str:
    return f"{value:.4g}"
