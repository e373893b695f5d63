"""What a customer will still buy: BG/NBD for how often, Gamma-Gamma for how much, fitted by their own likelihood.

- Fader, Hardie, Lee: *"Counting Your Customers" the Easy Way*, Marketing Science 24(2), 2005 (equations 6, 10; the
  form of the likelihood that does not overflow: *Overcoming the BG/NBD Model's #NUM! Error Problem*, 2013).
- Fader, Hardie: *The Gamma-Gamma Model of Monetary Value*, 2013 (equations 1a, 5).

A customer who is alive buys at a rate λ ~ Gamma(r, α) and leaves after each purchase with probability p ~ Beta(a, b);
what they spend a time is Gamma(p, ν) with ν ~ Gamma(q, γ), whatever their rate. Time is in weeks. x counts days with
a purchase after the first one, t_x is when the last of them was, T how long the customer has been known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NOWHERE = 1e10
LOWEST, HIGHEST = -8.0, 12.0  # of the logarithm of a parameter: beyond it a likelihood without an optimum runs away


class Buying(msgspec.Struct, frozen=True):
    """BG/NBD. All in weeks."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, x: Floats, t_x: Floats, age: Floats) -> Floats:
        """The probability that the customer has not left. By the model, who bought once only can't have."""
        from scipy.special import expit

        repeat = x > 0
        bought = np.where(repeat, x, 1.0)
        odds = (self.r + bought) * np.log((self.alpha + age) / (self.alpha + t_x))
        odds = odds + math.log(self.a) - np.log(self.b + bought - 1)
        return np.where(repeat, expit(-odds), 1.0)

    def expected(self, weeks: float, x: Floats, t_x: Floats, age: Floats) -> Floats:
        """Days with a purchase in the next `weeks` (equation 10)."""
        from scipy.special import hyp2f1

        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        z = weeks / (alpha + age + weeks)
        with np.errstate(all="ignore"):
            tail = hyp2f1(r + x, b + x, a + b + x - 1, z) * np.exp((r + x) * np.log1p(-z))
            found = (a + b + x - 1) / (a - 1) * (1 - tail) * self.alive(x, t_x, age)
        # Where the series gives up, the rate that the customer has shown, while they are there.
        rate = (r + x) / (alpha + age) * weeks * self.alive(x, t_x, age)
        return np.clip(np.where(np.isfinite(found), found, rate), 0.0, rate)

    def no_more(self, weeks: float, x: Floats, t_x: Floats, age: Floats) -> Floats:
        """The probability of no further purchase in the next `weeks`."""
        silent = np.exp((self.r + x) * np.log((self.alpha + age) / (self.alpha + age + weeks)))
        return np.clip(1 - self.alive(x, t_x, age) * (1 - silent), 0.0, 1.0)


class Spending(msgspec.Struct, frozen=True):
    """Gamma-Gamma. `q` above 1, else there is no mean."""

    p: float
    q: float
    gamma: float

    def expected(self, x: Floats, mean: Floats) -> Floats:
        """What the customer spends a time, from the `mean` of `x` times; the mean of all where x is 0."""
        return self.p * (self.gamma + x * np.where(x > 0, mean, 0.0)) / (self.p * x + self.q - 1)


class NoFit(ValueError):
    """The likelihood has no optimum that could be found."""


def fit_buying(x: Floats, t_x: Floats, age: Floats, penalty: float = 0.0) -> Buying:
    """The maximum of the likelihood (equation 6), less `penalty` times the squared parameters. Raises NoFit."""
    from scipy.special import gammaln

    # Customers of one history count together: the likelihood has few distinct terms.
    (x, t_x, age), n = _distinct(x, t_x, age)
    repeat = x > 0

    def minus(logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        first = gammaln(r + x) - gammaln(r) + r * math.log(alpha)
        second = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        third = -(r + x) * np.log(alpha + age)
        left = np.where(repeat, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x), -np.inf)
        likelihood = first + second + np.logaddexp(third, left)
        return -float((n * likelihood).sum() / n.sum()) + penalty * float(np.exp(2 * logs).sum())

    scale = math.log(max(float(np.average(age, weights=n)), 1e-3))
    starts = [(-1.0, scale - 1.5, 0.0, 1.0), (0.0, scale, -1.0, 0.5), (-0.5, scale - 3.0, 0.5, 1.5)]
    return Buying(*_lowest(minus, starts))


def fit_spending(x: Floats, mean: Floats) -> Spending:
    """From customers with repeat purchases only (equation 1a), `mean` of what they spent on them. Raises NoFit."""
    from scipy.special import gammaln

    (x, mean), n = _distinct(x, mean)

    def minus(logs: Floats) -> float:
        p, q, gamma = np.exp(logs)
        likelihood = (
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * math.log(gamma)
            + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * np.log(gamma + x * mean)
        )  # fmt: skip
        return -float((n * likelihood).sum() / n.sum())

    scale = math.log(float(np.average(mean, weights=n)))
    p, q, gamma = _lowest(minus, [(1.0, 1.0, scale - 0.5), (0.0, 1.0, scale), (2.0, 1.5, scale)])
    return Spending(p, max(q, 1.0 + 1e-6), gamma)


def _lowest(minus: Callable[[Floats], float], starts: Sequence[Sequence[float]]) -> list[float]:
    """The parameters at the lowest point found from several starts, in logarithms."""
    from scipy.optimize import minimize

    def bounded(logs: Floats) -> float:
        with np.errstate(all="ignore"):
            value = minus(np.clip(logs, LOWEST, HIGHEST))
        return value if math.isfinite(value) else NOWHERE

    bounds = [(LOWEST, HIGHEST)] * len(starts[0])
    rough = [minimize(bounded, np.array(start), method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(rough, key=lambda each: float(each.fun))
    # Slopes by differences leave the third digit open; a simplex around the place does not.
    options = {"xatol": 1e-6, "fatol": 1e-10, "maxiter": 1000}
    best = minimize(bounded, best.x, method="Nelder-Mead", options=options)
    if best.fun >= NOWHERE:
        raise NoFit("the likelihood could not be maximised")
    return [float(each) for each in np.exp(np.clip(best.x, LOWEST, HIGHEST))]


def _distinct(*columns: Floats) -> tuple[list[Floats], Floats]:
    rows, counts = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    return [rows[:, place].copy() for place in range(rows.shape[1])], counts.astype(np.float64)
