"""API keys: one that is wanted, one that was made, and all of them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from grapevine.serving.shapes.common import Id, Shape


class KeyWanted(Shape):
    """A key that is to be made: whom or what it is for, and what it opens."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "shop-front", "scopes": ["read", "write"]}]},
    )

    name: Id
    scopes: Annotated[list[Literal["read", "write", "admin"]], Field(min_length=1, max_length=3)]


class KeyTold(BaseModel):
    """A key without the key: its ID, and when it was made and revoked, in ms since 1970."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: int
    revoked_at: int | None


class KeyMade(KeyTold):
    """A key that was made; `key` is told once."""

    key: str


class KeysTold(BaseModel):
    """All keys."""

    keys: list[KeyTold]
