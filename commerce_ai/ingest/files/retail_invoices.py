"""Lines to invoices, one bucket at a time: an order with its lines, or a credit note with what came back."""

from __future__ import annotations

import polars as pl

from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.problems import ROW
from commerce_ai.ingest.files.retail_findings import Lines

BUCKETS = 32
SALE, RETURN, SHIPPING = "sale", "return", "shipping"
# Lines of an invoice in an order that does not depend on where they stood in the file.
_ORDER = ("sku", "unit_price", "quantity", "timestamp", "description", "customer_id", "country", "cancelled")


def gather(loading: Loading) -> None:
    """From the staged buckets: "orders", "sales" and "returns", by bucket, and "products" and "customers" over all."""
    seen = Lines()
    products: list[pl.DataFrame] = []
    customers: list[pl.DataFrame] = []
    for number in range(BUCKETS):
        if not loading.staging.has(name := f"lines-{number:02}"):
            continue
        lines = _without_repeats(loading, pl.concat(loading.staging.parts(name)))
        lines = _leave_out(loading, lines)
        sales = lines.filter(pl.col("kind") == SALE).sort("invoice", *_ORDER, nulls_last=True)
        sales = sales.with_columns(pl.int_range(pl.len()).over("invoice").alias("position"))
        orders = _orders(loading, sales, lines.filter(pl.col("kind") == SHIPPING))
        returns = _returns(lines.filter(pl.col("kind") == RETURN))
        loading.staging.add(f"orders-{number:02}", orders)
        loading.staging.add(
            f"sales-{number:02}",
            sales.select("invoice", "position", "sku", "description", "quantity", "unit_price", ROW),
        )
        loading.staging.add(f"returns-{number:02}", returns)
        seen.add(loading, sales, returns)
        products.append(
            lines.filter(pl.col("kind") != SHIPPING).group_by("sku").agg(pl.col("timestamp").min().alias("first"))
        )
        customers.append(orders.select("customer_id", "country", pl.col("placed_at").alias("first")))
        customers.append(returns.select("customer_id", "country", pl.col("timestamp").alias("first")))
    seen.report(loading)
    if products:
        whole = pl.concat(products).group_by(pl.col("sku").alias("external_id")).agg(pl.col("first").min())
        loading.staging.add("products", whole.sort("external_id"))
        people = pl.concat(customers).drop_nulls("customer_id").group_by(pl.col("customer_id").alias("external_id"))
        whole = people.agg(pl.col("first").min(), pl.col("country").max())
        loading.staging.add("customers", whole.sort("external_id"))


def _without_repeats(loading: Loading, lines: pl.DataFrame) -> pl.DataFrame:
    """A line that says the same as another one in every column came twice by mistake: a till adds up pieces."""
    once = lines.sort(ROW).unique(
        subset=[name for name in lines.columns if name != ROW], keep="first", maintain_order=True
    )
    loading.duplicates += lines.height - once.height
    loading.findings.add("duplicate_rows", lines.height - once.height)
    return once


def _leave_out(loading: Loading, lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with a kind. Delivery alone is no order: without goods on the invoice it is left out too."""
    goods = lines.filter(pl.col("kind") == SALE)["invoice"].unique()
    alone = (pl.col("kind") == SHIPPING) & ~pl.col("invoice").is_in(goods.implode())
    if loading.retried:  # the goods went in before
        alone = pl.lit(False)
    lines = lines.with_columns(
        pl.when(alone).then(pl.lit("non_product_codes")).otherwise("why").alias("why"),
        pl.when(~alone).then("kind").alias("kind"),
    )
    for (why,), part in lines.filter(pl.col("why") != "").group_by("why"):
        names = part.group_by("sku").len().sort("len", "sku", descending=[True, False])["sku"].head(5)
        loading.findings.add(str(why), part.height, examples=sorted(names))
    kept = lines.filter(pl.col("kind").is_not_null())
    loading.left_out += lines.height - kept.height
    return kept


def _orders(loading: Loading, sales: pl.DataFrame, shipping: pl.DataFrame) -> pl.DataFrame:
    worth = (pl.col("quantity").cast(pl.Float64) * pl.col("unit_price").cast(pl.Float64)).round(4)
    orders = sales.group_by("invoice").agg(
        pl.col("customer_id").drop_nulls().min(),
        pl.col("customer_id").n_unique().alias("_customers"),
        pl.col("timestamp").min().alias("placed_at"),
        pl.col("timestamp").n_unique().alias("_times"),
        pl.col("country").max(),
        worth.sum().alias("goods"),
    )
    loading.findings.add(
        "order_customers",
        int((orders["_customers"] > 1).sum()),
        examples=orders.filter(pl.col("_customers") > 1)["invoice"].sort(),
    )
    loading.findings.add(
        "order_times", int((orders["_times"] > 1).sum()), examples=orders.filter(pl.col("_times") > 1)["invoice"].sort()
    )
    delivery = shipping.group_by("invoice").agg(
        worth.sum().alias("shipping"), pl.col("timestamp").min().alias("_at"), pl.col("country").max().alias("_to")
    )
    orders = orders.join(delivery, on="invoice", how="full", coalesce=True).with_columns(
        pl.col("shipping", "goods").fill_null(0.0), pl.coalesce("placed_at", "_at"), pl.coalesce("country", "_to")
    )
    return orders.drop("_customers", "_times", "_at", "_to").sort("invoice")


def _returns(lines: pl.DataFrame) -> pl.DataFrame:
    """Each with an outside id of its own: invoice, SKU, and a number where a SKU comes back twice on one."""
    lines = lines.sort("invoice", *_ORDER, nulls_last=True)
    again = pl.int_range(1, 1 + pl.len()).over("invoice", "sku")
    number = pl.when(again > 1).then(pl.format("-{}", again)).otherwise(pl.lit(""))
    return lines.select(
        pl.format("{}-{}{}", "invoice", "sku", number).alias("external_id"),
        "invoice", "sku", "customer_id", "country", "timestamp", "description", -pl.col("quantity").alias("quantity"),
        "unit_price", "cancelled", ROW,
    )  # fmt: skip
