"""`online-retail`: one line of an invoice a row, as in UCI's Online Retail data sets and many a shop's till export.

Cleaning looks at one line at a time where it can, and sorts lines into buckets by invoice: everything that has to
see an invoice as a whole (repeated lines, totals) then needs only one bucket in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import polars as pl
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commerce_ai.ingest.files import countries, retail_findings, retail_invoices
from commerce_ai.ingest.files.fields import Field
from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.parse import as_text, parse
from commerce_ai.ingest.files.problems import ROW, FileError, MissingColumn
from commerce_ai.ingest.files.rejects import Reject, quote
from commerce_ai.ingest.files.retail_invoices import BUCKETS, RETURN, SALE, SHIPPING

CURRENCY = "GBP"

FIELDS: dict[str, Field] = {
    each.name: each
    for each in (
        Field(
            "invoice",
            "invoice",
            "text",
            gettext_lazy("invoice; a C in front marks a cancellation"),
            required=True,
            max_length=64,
        ),
        Field(
            "sku",
            "sku",
            "text",
            gettext_lazy("product, or a code such as POST for postage"),
            required=True,
            max_length=255,
        ),
        Field("description", "description", "text", gettext_lazy("product's name"), nullable=True, max_length=500),
        Field(
            "quantity",
            "quantity",
            "decimal",
            gettext_lazy("pieces; below zero they came back"),
            required=True,
            digits=14,
            places=3,
        ),
        Field("timestamp", "timestamp", "instant", gettext_lazy("when"), required=True),
        Field(
            "unit_price",
            "unit_price",
            "decimal",
            gettext_lazy("price of one piece, in pounds"),
            required=True,
            digits=14,
            places=4,
        ),
        Field(
            "customer_id",
            "customer_id",
            "text",
            gettext_lazy("customer; empty for a guest"),
            nullable=True,
            max_length=255,
        ),
        Field("country", "country", "text", gettext_lazy("country, by name or code"), nullable=True),
        Field(
            "cancelled", "cancelled", "boolean", gettext_lazy("whether the invoice is a cancellation"), nullable=True
        ),
    )
}
# The spellings of UCI's own files.
_ALIASES = {
    "invoiceno": "invoice", "stockcode": "sku", "invoicedate": "timestamp", "price": "unit_price",
    "unitprice": "unit_price", "customerid": "customer_id",
}  # fmt: skip

# Codes that are no goods. The first kind is what the customer paid for delivery.
_SHIPPING = r"^(POST|POSTAGE|DOT|C2|C3|CARRIAGE|SHIPPING|DELIVERY)$"
_NO_PRODUCT = (
    r"^(POST|POSTAGE|DOT|C\d|CARRIAGE|SHIPPING|DELIVERY|M|D|S|B|MANUAL|DISCOUNT|SAMPLES?|ADJUST\d*|BANK ?CHARGES"
    r"|AMAZON ?FEE|CRUK|PADS|GIFT|TEST\d*)$"
)


def clean(loading: Loading, frames: Iterable[pl.DataFrame]) -> None:
    """Every line into an invoice of staging, or into quarantine, or left out by a rule. Raises FileError."""
    if loading.shop.currency != CURRENCY:
        words = _("the prices of this format are in %(theirs)s, the shop's currency is %(ours)s, and no rate is known")
        raise FileError(words % {"theirs": CURRENCY, "ours": loading.shop.currency}, file=loading.file)
    names: dict[str, str] | None = None
    spellings = retail_findings.Spellings()
    for frame in frames:
        if names is None:
            names = _columns(frame.columns, loading)
        lines = _classify(_spell(loading, _normalise(loading, frame, names), spellings))
        bucket = (pl.col("invoice").hash(seed=0) % BUCKETS).alias("_bucket")
        for (number,), part in lines.with_columns(bucket).group_by("_bucket"):
            loading.staging.add(f"lines-{number:02}", part.drop("_bucket"))
        loading.read += frame.height
        loading.progress.advance(frame.height)
        loading.rejects.check(loading.read, finished=False)
    spellings.report(loading)
    retail_invoices.gather(loading)


def _columns(have: list[str], loading: Loading) -> dict[str, str]:
    """The file's names of our columns."""
    found = {}
    for name in have:
        plain = name.strip().lower().replace(" ", "_")
        ours = _ALIASES.get(plain.replace("_", ""), plain)
        if ours in FIELDS:
            found[ours] = name
    for field in FIELDS.values():
        if field.required and field.name not in found:
            raise MissingColumn(field.name, [name for name in have if name != ROW], file=loading.file)
    unknown = [name for name in have if name != ROW and name not in found.values()]
    loading.findings.add("unknown_columns", len(unknown), examples=unknown)
    return found


def _normalise(loading: Loading, frame: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Columns as what they are; lines that can't be read go to quarantine."""
    rejects: list[Reject] = []
    columns = {ROW: frame[ROW]}
    for ours, theirs in names.items():
        field = FIELDS[ours]
        parsed = parse(frame[theirs], field, loading.file)
        columns[ours] = parsed.values
        empty = frame[theirs].is_null()
        if frame[theirs].dtype == pl.String:
            empty |= frame[theirs].str.strip_chars() == ""
        for bad in parsed.bad:
            for row, value in frame.filter(bad.mask.fill_null(False)).select(ROW, pl.col(theirs).alias("value")).rows():
                rejects.append(Reject(row, theirs, bad.reason, f"{quote(value, field)}{bad.words}"))
        if field.required:
            rejects += [Reject(row, theirs, "missing", _("a value is needed")) for row in frame.filter(empty)[ROW]]
    lines = pl.DataFrame(columns)
    for name in FIELDS.keys() - names.keys():
        lines = lines.with_columns(pl.lit(None, dtype=pl.Boolean if name == "cancelled" else pl.String).alias(name))
    zero = lines.filter(pl.col("quantity") == 0)[ROW]
    rejects += [Reject(row, names["quantity"], "zero", _("a line of nothing: the quantity is zero")) for row in zero]
    goods = ~pl.col("sku").str.to_uppercase().str.contains(_NO_PRODUCT)
    negative = lines.filter((pl.col("unit_price") < 0) & goods)[ROW]
    rejects += [Reject(row, names["unit_price"], "negative", _("a price below zero")) for row in negative]
    if rejects:
        theirs_fields = {theirs: replace(FIELDS[ours], name=theirs) for ours, theirs in names.items()}
        loading.rejects.add(rejects, frame, theirs_fields)
        bad_rows = {}
        for each in rejects:
            bad_rows.setdefault(each.row, each)
        for each in bad_rows.values():
            loading.findings.add(
                "rejected",
                1,
                column=each.column,
                examples=[_("row %(row)s: %(words)s") % {"row": each.row, "words": each.reason}],
            )
        lines = lines.filter(~pl.col(ROW).is_in(list(bad_rows)))
    return lines


def _spell(loading: Loading, lines: pl.DataFrame, spellings: retail_findings.Spellings) -> pl.DataFrame:
    """One spelling for one thing: blanks and letter case don't tell products, customers or invoices apart."""
    before = lines
    one_blank = pl.col("description").str.replace_all(r"\s+", " ")
    customer = pl.col("customer_id").str.replace(r"^(\d+)\.0+$", "$1").str.to_uppercase()
    invoice = pl.col("invoice").str.to_uppercase()
    lines = lines.with_columns(
        invoice,
        pl.col("sku").str.replace_all(r"\s+", " ").str.to_uppercase(),
        one_blank,
        customer,
        pl.col("cancelled").fill_null(invoice.str.starts_with("C")),
    )
    spellings.add("products_merged", before["sku"], lines["sku"])
    spellings.add("customers_merged", before["customer_id"], lines["customer_id"])
    codes = countries.codes_of(as_text(lines["country"], loading.file)).fill_null("")
    unknown = (codes == "") & lines["country"].is_not_null()
    loading.findings.add(
        "country_unknown",
        int(unknown.sum()),
        column="country",
        examples=lines["country"].filter(unknown).unique().sort(),
    )
    return lines.with_columns(codes.alias("country"))


def _classify(lines: pl.DataFrame) -> pl.DataFrame:
    """What each line is, in `kind`; null for what is left out, whose reason is in `why`."""
    no_product = pl.col("sku").str.contains(_NO_PRODUCT)
    free = pl.col("unit_price") == 0
    back = pl.col("quantity") < 0
    guest = pl.col("customer_id").is_null()
    shipping = pl.col("sku").str.contains(_SHIPPING) & ~pl.col("cancelled") & ~back & ~free & (pl.col("unit_price") > 0)
    why = (
        pl.when(shipping).then(pl.lit("shipping_codes"))
        .when(no_product).then(pl.lit("non_product_codes"))
        .when(pl.col("cancelled") & ~back).then(pl.lit("cancelled_without_goods"))
        .when(pl.col("cancelled")).then(pl.lit("cancellations"))
        .when(free & guest).then(pl.lit("stock_corrections"))
        .when(back).then(pl.lit("negative_quantities"))
        .when(free).then(pl.lit("free_lines"))
        .otherwise(pl.lit(""))
    )  # fmt: skip
    kinds = {"": SALE, "free_lines": SALE, "shipping_codes": SHIPPING}
    kinds |= {"cancellations": RETURN, "negative_quantities": RETURN}
    return lines.with_columns(why.alias("why")).with_columns(
        pl.col("why").replace_strict(kinds, default=None, return_dtype=pl.String).alias("kind")
    )
