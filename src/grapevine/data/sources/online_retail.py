"""UCI Online Retail: the invoices of a gift shop."""

import polars as pl

from grapevine.data.schema import Schema
from grapevine.data.sources.base import File, Files, Source, Tables

_NOTES = (
    "Kept are lines that sell a product: a quantity and a price above 0 and a stock code that "
    "starts with five digits (527,725 of 541,909 lines); left out are cancellations and "
    "stock corrections (10,624 lines of negative quantity), free or adjusted lines, postage, "
    "fees, manual entries and vouchers.",
    "Lines of one user, product and minute are one event; `value` is their quantity together.",
    "Guests have no customer number: each guest invoice is a user of its own, `guest-INVOICE`.",
    "`session_id` is the invoice. Times are local (United Kingdom), taken as UTC.",
)


def _convert(files: Files) -> Tables:
    lines = pl.read_parquet(files["online_retail.parquet"])
    guest = pl.format("guest-{}", "InvoiceNo")
    sold = lines.filter(
        pl.col("Quantity") > 0,
        pl.col("UnitPrice") > 0,
        pl.col("StockCode").str.contains(r"^\d{5}"),
    ).with_columns(
        user_id=pl.col("CustomerID").cast(pl.String).fill_null(guest),
        item_id="StockCode",
        session_id="InvoiceNo",
        timestamp=pl.col("InvoiceDate").dt.replace_time_zone("UTC").dt.cast_time_unit("ms"),
        country=pl.col("Country").cast(pl.String),
    )
    events = sold.group_by("user_id", "item_id", "timestamp", maintain_order=True).agg(
        pl.col("session_id").first(), value=pl.col("Quantity").sum().cast(pl.Float32)
    )
    # A product's description was typed anew with each invoice: the commonest is its title.
    titles = sold.drop_nulls("Description").group_by("item_id", "Description").len()
    titles = titles.sort(pl.col("len"), "Description", descending=[True, False])
    titles = titles.group_by("item_id").agg(title=pl.col("Description").first())
    prices = sold.group_by("item_id").agg(price=pl.col("UnitPrice").median())
    schema = Schema(
        behaviours=("buy",),
        items={"title": "title", "price": "number"},
        users={"country": "category"},
        notes=_NOTES,
    )
    return Tables(
        schema=schema,
        events=events.with_columns(behaviour=pl.lit("buy")),
        items=prices.join(titles, on="item_id", how="left")
        .select("item_id", "title", "price")
        .sort("item_id"),
        users=sold.group_by("user_id").agg(pl.col("country").first()).sort("user_id"),
        raw={"lines": len(lines), "invoices": lines["InvoiceNo"].n_unique()},
    )


ONLINE_RETAIL = Source(
    name="online-retail",
    title="UCI Online Retail",
    home="https://archive.ics.uci.edu/dataset/352/online+retail",
    licence="CC BY 4.0",
    cite="Chen, Sain and Guo, Data mining for the online retail industry, 2012",
    serves="baskets, next purchase, prices and titles",
    expected={"lines": 541909, "invoices": 25900, "items": 3900, "events": 517182},
    convert=_convert,
    files=(
        File(
            path="online-retail/online_retail.parquet",
            sha256="6cdb8a42bf38f5f1a93938264d82e29a943f37f895bb11dee19d7eaeb5d66ffe",
            size=2816400,
        ),
    ),
    origin="Online Retail.xlsx, all its rows and columns written as one table",
)
