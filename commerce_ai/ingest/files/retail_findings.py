"""What the cleaning report says of invoice lines: counted while they pass, judged over all of them."""

from __future__ import annotations

import math

import polars as pl

from commerce_ai.ingest.files.loading import Loading

PRICE_FACTOR = 10.0  # a unit price this many times above or below the product's median is an outlier
QUANTITY_DEVIATIONS = 6.0  # and so is a quantity this many robust deviations away, in logarithms
_LEAST_DEVIATION = math.log(2) / 2  # of products that nearly always sell in one size
_MAD_TO_SD = 1.4826  # of a normal distribution


class Spellings:
    """Which spellings became one name."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, set[str]]] = {}

    def add(self, code: str, before: pl.Series, after: pl.Series) -> None:
        known = self._seen.setdefault(code, {})
        pairs = pl.DataFrame({"after": after, "before": before}).drop_nulls().unique()
        for name, spelling in pairs.rows():
            known.setdefault(name, set()).add(spelling)

    def report(self, loading: Loading) -> None:
        for code, known in self._seen.items():
            several = sorted(name for name, spellings in known.items() if len(spellings) > 1)
            # A customer's id may be an address: no examples of those.
            shown = several[:5] if code == "products_merged" else []
            loading.findings.add(code, len(several), examples=[" = ".join(sorted(known[name])) for name in shown])


class Lines:
    """Distinct values by product, with how often: small where lines are many."""

    def __init__(self) -> None:
        self._prices: list[pl.DataFrame] = []
        self._quantities: list[pl.DataFrame] = []
        self._titles: list[pl.DataFrame] = []
        self._countries: list[pl.DataFrame] = []

    def add(self, loading: Loading, sales: pl.DataFrame, returns: pl.DataFrame) -> None:
        paid = sales.filter(pl.col("unit_price") > 0)
        self._prices.append(paid.group_by("sku", "unit_price").len())
        self._quantities.append(paid.group_by("sku", "quantity").len())
        self._titles.append(sales.group_by("sku", "description").len())
        self._countries.append(
            sales.filter(pl.col("country") != "").group_by("customer_id", "country").len().drop_nulls("customer_id")
        )
        loading.findings.add("guests", sales["customer_id"].null_count())
        loading.findings.add("description_missing", sales["description"].null_count())

    def report(self, loading: Loading) -> None:
        if not self._prices:
            return
        prices, quantities, titles = (_joined(each) for each in (self._prices, self._quantities, self._titles))
        several = (
            titles.drop_nulls()
            .group_by("sku")
            .len("n")
            .filter(pl.col("n") > 1)
            .sort("n", "sku", descending=[True, False])
        )
        loading.findings.add("title_chosen", several.height, examples=several["sku"].head(5))
        named = titles.drop_nulls()["sku"].unique()
        unnamed = titles.filter(~pl.col("sku").is_in(named.implode()))["sku"].unique().sort()
        loading.findings.add("title_missing", unnamed.len(), examples=unnamed)
        moved = prices.group_by("sku").len("n").filter(pl.col("n") > 1).sort("n", "sku", descending=[True, False])
        loading.findings.add("price_changed", moved.height, examples=moved["sku"].head(5))
        unpriced = titles.filter(~pl.col("sku").is_in(prices["sku"].unique().implode()))["sku"].unique().sort()
        loading.findings.add("price_unknown", unpriced.len(), examples=unpriced)
        moving = _joined(self._countries).group_by("customer_id").len("n").filter(pl.col("n") > 1)
        loading.findings.add("country_changed", moving.height)
        _report_prices(loading, prices)
        _report_quantities(loading, quantities)


def _report_prices(loading: Loading, prices: pl.DataFrame) -> None:
    off = prices.join(_medians(prices, "unit_price"), on="sku").with_columns(
        (pl.col("unit_price").cast(pl.Float64).log() - pl.col("median").log()).abs().alias("off")
    )
    out = off.filter(pl.col("off") > math.log(PRICE_FACTOR)).sort("off", "sku", descending=[True, False])
    examples = [
        f"{sku}: {price} ({median:g})"
        for sku, price, median in out.select("sku", "unit_price", "median").head(5).rows()
    ]
    loading.findings.add("price_outliers", int(out["len"].sum()), examples=examples)


def _report_quantities(loading: Loading, quantities: pl.DataFrame) -> None:
    off = quantities.join(_medians(quantities, "quantity"), on="sku").with_columns(
        (pl.col("quantity").cast(pl.Float64).log() - pl.col("median").log()).abs().alias("off")
    )
    spread = _medians(off, "off").rename({"median": "deviation"})
    limit = (QUANTITY_DEVIATIONS * _MAD_TO_SD * pl.col("deviation")).clip(QUANTITY_DEVIATIONS * _LEAST_DEVIATION)
    out = off.join(spread, on="sku").filter(pl.col("off") > limit).sort("off", "sku", descending=[True, False])
    examples = [
        f"{sku}: {quantity:g} ({median:g})"
        for sku, quantity, median in out.select("sku", pl.col("quantity").cast(pl.Float64), "median").head(5).rows()
    ]
    loading.findings.add("quantity_outliers", int(out["len"].sum()), examples=examples)


def _medians(values: pl.DataFrame, column: str) -> pl.DataFrame:
    """The median of `column` by sku, each value counted `len` times."""
    ordered = values.sort("sku", column).with_columns(
        pl.col("len").cum_sum().over("sku").alias("_upto"), pl.col("len").sum().over("sku").alias("_all")
    )
    middle = ordered.filter(pl.col("_upto") * 2 >= pl.col("_all"))
    return middle.group_by("sku", maintain_order=True).agg(pl.col(column).first().cast(pl.Float64).alias("median"))


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    whole = pl.concat(parts)
    return whole.group_by([name for name in whole.columns if name != "len"]).agg(pl.col("len").sum())
