"""The OpenAPI document as a page: every route, what it takes, what it gives, with examples.

It is made here and has no script, since the usual pages load theirs from elsewhere.
"""

import json
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(_page(request.app))


@router.get("/docs.css")
def style() -> HTMLResponse:
    """How it looks: a file of its own, since the policy of the service allows none within."""
    return HTMLResponse(
        _environment().get_template("docs.css.jinja").render(), media_type="text/css"
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("grapevine.serving", "templates"), autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


@lru_cache(maxsize=4)
def _page(app: FastAPI) -> str:
    return (
        _environment()
        .get_template("docs.html.jinja")
        .render(
            title=app.title,
            version=app.version,
            about=app.description,
            groups=groups(app.openapi()),
        )
    )


def groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The routes of an OpenAPI document by their tag, as the page shows them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            tag = (said.get("tags") or ["other"])[0]
            found.setdefault(tag, []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "about": said.get("description", ""),
                    "parameters": [
                        {
                            "name": one["name"],
                            "place": one["in"],
                            "needed": one.get("required", False),
                            "kind": kind(one["schema"], document),
                            "default": one["schema"].get("default"),
                        }
                        for one in said.get("parameters", ())
                    ],
                    "body": _example(_body(said.get("requestBody")), document),
                    "answers": {
                        status: one["description"] for status, one in said["responses"].items()
                    },
                }
            )
    return found


def kind(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """A schema in a few words.

    >>> kind({"type": "integer", "minimum": 1, "maximum": 500}, {})
    'integer, 1 to 500'
    >>> kind({"anyOf": [{"type": "string"}, {"type": "null"}]}, {})
    'string'
    """
    schema = _resolved(schema, document)
    if "anyOf" in schema:
        rest = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kind(one, document) for one in rest)
    said = str(schema.get("type", "any"))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "minimum" in schema and "maximum" in schema:
        said += f", {schema['minimum']} to {schema['maximum']}"
    return said


def _body(body: dict[str, Any] | None) -> dict[str, Any] | None:
    return body["content"]["application/json"]["schema"] if body else None


def _example(schema: dict[str, Any] | None, document: dict[str, Any]) -> str:
    """An example of a body as it would be sent: its own, or one made of its parts."""
    if schema is None:
        return ""
    return json.dumps(_value(schema, document), indent=2, ensure_ascii=False)


def _value(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    schema = _resolved(schema, document)
    if schema.get("examples"):
        return schema["examples"][-1]
    if "default" in schema:
        return schema["default"]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], document)
    if schema.get("type") == "object":
        named = schema.get("properties", {})
        return {
            name: _value(one, document)
            for name, one in named.items()
            if name in schema.get("required", ())
        }
    if schema.get("type") == "array":
        return [_value(schema["items"], document)] * schema.get("minItems", 1)
    return {"string": "...", "integer": 1, "number": 0.5, "boolean": True}.get(
        str(schema.get("type"))
    )


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return document["components"]["schemas"][name] if name else schema
