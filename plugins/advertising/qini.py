"""How well a ranking by uplift does: the Qini curve and its area, exactly as scikit-uplift reckons them.

`qini_auc` is `sklift.metrics.qini_auc_score` (scikit-uplift 0.5, `negative_effect=True`), after Radcliffe, *Using
Control Groups to Target on Predicted Lift*, 2007, and Gutierrez and Gérardy, *Causal Inference and Uplift Modelling*,
PMLR 67, 2017:

    customers stand in the order of falling score; after the first k of them, at the last of each run of equal scores,
    Q(k) = Y_treated(k) − Y_control(k) · N_treated(k) / N_control(k)
    qini_auc = (area under Q − area under the straight line to Q(n)) / (the same of a perfect order)

The perfect order puts treated responders first and control responders last, so that it knows the do-not-disturbs,
too. A random order has 0, a perfect one 1; figures of real campaigns are a few hundredths. Libraries call other
things "Qini": the same area over the number of customers, or over the effect, is several times larger.

Where the probability of treatment differs between rows (campaigns with control groups of different size), each row
counts 1 / p of what was done to it. With one probability for all that changes nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
BANDS = 10
LEAST_IN_BAND = 10  # customers treated and customers left alone, before an average of them is shown


def qini_auc(outcome: Ints, score: Floats, treatment: Ints, weight: Floats | None = None) -> float:
    """The Qini coefficient; `outcome` and `treatment` 0/1. nan where an arm is empty or nothing is to be ordered."""
    if not 0 < treatment.sum() < len(treatment):
        return float("nan")
    x, curve = qini_curve(outcome, score, treatment, weight)
    best_x, best = qini_curve(outcome, (outcome * treatment - outcome * (1 - treatment)) * 1.0, treatment, weight)
    straight = 0.5 * best_x[-1] * best[-1]
    room = _area(best_x, best) - straight
    return float((_area(x, curve) - straight) / room) if room > 0 else float("nan")


def qini_curve(outcome: Ints, score: Floats, treatment: Ints, weight: Floats | None = None) -> tuple[Floats, Floats]:
    """Customers reached (x) and extra responses among them (y), from 0, at every distinct score, best first."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    weights = np.ones(len(order)) if weight is None else weight[order]
    treated = weights * treatment[order]
    control = weights - treated
    n_treated, n_control = np.cumsum(treated)[ends], np.cumsum(control)[ends]
    y_treated = np.cumsum(treated * outcome[order])[ends]
    y_control = np.cumsum(control * outcome[order])[ends]
    ratio = np.divide(n_treated, n_control, out=np.zeros(len(ends)), where=n_control > 0)
    return np.append(0.0, ends + 1.0), np.append(0.0, y_treated - y_control * ratio)


def qini_of(sample: pl.DataFrame) -> float:
    """The same of a sample with the columns score, treatment, outcome and weight: a `Metric.statistic`."""
    return qini_auc(
        sample["outcome"].to_numpy(),
        sample["score"].to_numpy(),
        sample["treatment"].to_numpy(),
        sample["weight"].to_numpy(),
    )


def uplift_by_band(sample: pl.DataFrame, bands: int = BANDS) -> list[float]:
    """What was gained in each tenth of the customers, best score first: the response of the treated less the others'.

    nan where a tenth has fewer than ten customers in either arm.
    """
    order = np.argsort(-sample["score"].to_numpy(), kind="stable")
    treatment, outcome, weight = (sample[name].to_numpy()[order] for name in ("treatment", "outcome", "weight"))
    found = []
    for rows in np.array_split(np.arange(len(order)), bands):
        arms = [rows[treatment[rows] == arm] for arm in (1, 0)]
        if min(len(arm) for arm in arms) < LEAST_IN_BAND:
            found.append(float("nan"))
            continue
        treated, control = (float(np.average(outcome[arm], weights=weight[arm])) for arm in arms)
        found.append(treated - control)
    return found


def _area(x: Floats, y: Floats) -> float:
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
