"""What a chart says, apart from how it is drawn: `{% chart this %}` puts it on a page, `charts.js` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Value = float | int | None


@dataclass(frozen=True)
class Series:
    """One line or row of bars; `values` stand under the chart's labels, None is a gap.

    `low` and `high`, of the same length, are drawn as a band (an interval, a forecast's quantiles). With `x`, values
    stand at numbers instead of under labels (steps of a training).
    """

    label: Any
    values: Sequence[Value]
    x: Sequence[float] | None = None
    low: Sequence[Value] | None = None
    high: Sequence[Value] | None = None
    kind: Literal["", "line", "bar"] = ""
    dashed: bool = False
    axis: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class Chart:
    """A chart with its title, which is also what a screen reader says; its figures are a table below it.

    `unit` formats values: a currency (``EUR``), ``percent`` (0.031 is 3.1 %) or empty; `right_unit` those of the
    right axis. `legend` names a single series too (several always are named). `empty` is said instead of a chart
    without any value.
    """

    title: Any
    labels: Sequence[Any] = ()
    series: Sequence[Series] = ()
    kind: Literal["line", "bar"] = "line"
    unit: str = ""
    right_unit: str = ""
    x_title: Any = ""
    stacked: bool = False
    log: bool = False
    height: int = 260
    table: bool = True
    legend: bool = False
    empty: Any = ""

    @property
    def has_values(self) -> bool:
        return any(value is not None for each in self.series for value in each.values)

    def as_json(self) -> dict[str, Any]:
        """What `charts.js` reads."""
        return {
            "kind": self.kind, "labels": [str(label) for label in self.labels], "unit": self.unit,
            "rightUnit": self.right_unit, "xTitle": str(self.x_title), "stacked": self.stacked, "log": self.log,
            "legend": self.legend,
            "series": [
                {
                    "label": str(each.label), "values": list(each.values), "x": _list(each.x), "low": _list(each.low),
                    "high": _list(each.high), "kind": each.kind, "dashed": each.dashed, "axis": each.axis,
                }
                for each in self.series
            ],
        }  # fmt: skip

    def rows(self) -> list[list[Any]]:
        """The same as a table: a row a label, or a row a series where values stand at numbers."""
        if any(each.x is not None for each in self.series):
            return [[each.label, *list(each.values)[-1:]] for each in self.series]
        return [[label, *(each.values[i] for each in self.series)] for i, label in enumerate(self.labels)]


def _list(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)
