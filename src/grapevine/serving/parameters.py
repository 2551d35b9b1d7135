"""Parameters of a query that a route does not know: told, not ignored."""

from typing import Any

from fastapi import Request

from grapevine.serving.faults import Refusal
from grapevine.serving.names import near


def refuse_unknown(request: Request) -> None:
    """Let no parameter be passed over because it is misspelt: `whyy=true` is not `why=true`.

    Raises:
        Refusal: the route has none of this name.
    """
    if not request.scope["query_string"]:
        return
    known = _names(request.scope["route"].dependant)  # codespell:ignore dependant
    name = next((one for one in request.query_params if one not in known), None)
    if name is None:
        return
    raise Refusal(
        422, "unknown_parameter", f"this route has no parameter `{name[:64]}`",
        near(name, known), where=["query", name[:64]],
    )  # fmt: skip


def _names(part: Any) -> set[str]:
    """What a route takes, and all that it depends on."""
    names = {one.alias for one in part.query_params}
    return names.union(*(_names(one) for one in part.dependencies))
