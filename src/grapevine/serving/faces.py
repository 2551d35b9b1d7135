"""How items are shown: title, category, price, and where the picture is."""

from typing import Any
from urllib.parse import quote

import polars as pl

from grapevine.serving.engine import Served


class Faces:
    """What an answer says of an item beside its score.

    Args:
        served: the version whose items these are.
        pictures: whether items have pictures.
    """

    def __init__(self, served: Served, *, pictures: bool = False) -> None:
        catalogue = served.catalogue
        self._row_of, self._titles = catalogue.row_of, catalogue.titles
        self._category = [
            catalogue.categories[code] if code >= 0 else None for code in catalogue.category
        ]
        table = catalogue.table
        priced = "price" in table.columns and table.schema["price"].is_numeric()
        self._price: list[float | None] = (
            as_written(table["price"]).fill_nan(None).to_list()
            if priced
            else [None] * len(catalogue)
        )
        self.pictures = pictures

    def of(self, item_id: Any) -> dict[str, Any]:
        """The fields of one item; an item that is not known has an ID alone."""
        name = str(item_id)
        row = self._row_of.get(name)
        if row is None:
            return {"item_id": name, "title": None, "category": None, "price": None, "image": None}
        return {
            "item_id": name,
            "title": self._titles[row],
            "category": self._category[row],
            "price": self._price[row],
            "image": f"/v1/items/{quote(name, safe='')}/image" if self.pictures else None,
        }


def as_written(numbers: pl.Series) -> pl.Series:
    """Numbers as float64 that print as they were written, whatever they are kept as.

    >>> as_written(pl.Series([12.4], dtype=pl.Float32)).to_list()
    [12.4]
    """
    # The shortest decimals that name a float32 are those it came from; its own are 12.399999618.
    short = numbers.cast(pl.String) if numbers.dtype == pl.Float32 else numbers
    return short.cast(pl.Float64)
