"""What is sent of items."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from grapevine.serving.shapes.common import Finite, Id, Shape
from grapevine.serving.store.shelf import MOST_FIELDS, MOST_ITEMS, MOST_TEXT

Text = Annotated[str, Field(max_length=MOST_TEXT)]
Value = bool | int | Finite | Text | list[Text] | list[Finite] | None
"""Of a column: a text, a number, true or false, or a list of texts or of numbers."""


class Fields(Shape):
    """What the catalogue says of an item, by column."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"fields": {"title": "Linen shirt", "category": "tops", "price": 39.0}},
            ]
        },
    )

    fields: dict[Id, Value] = Field(max_length=MOST_FIELDS)


class Put(Shape):
    """An item that is put, or deleted."""

    item_id: Id
    fields: dict[Id, Value] = Field(default={}, max_length=MOST_FIELDS)
    deleted: bool = False


class Items(Shape):
    """Items that are put or deleted; of one that is named twice the last word counts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"item_id": "i09001", "fields": {"title": "Linen shirt", "price": 39.0}},
                        {"item_id": "i00017", "deleted": True},
                    ]
                }
            ]
        },
    )

    items: Annotated[list[Put], Field(min_length=1, max_length=MOST_ITEMS)]


class Shelved(BaseModel):
    """How many items were put, how many deleted, and how many were so already."""

    put: int
    deleted: int
    unchanged: int
