"""Write the parts of the documents that are computed from the code: `make docs` runs it.

A part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`. It is committed, so that
the pages can be read anywhere, and a test fails where a page has fallen behind the code.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from grapevine.cli.app import app
from grapevine.cli.models import options_of
from grapevine.data.audit import LEAKS
from grapevine.data.sources import SOURCES
from grapevine.evaluation import METRICS
from grapevine.models import MODELS
from grapevine.recipes import RECIPES

DOCS = Path(__file__).parent
TUTORIAL = DOCS.parent / "examples" / "tutorial.py"
_PART = re.compile(
    r"^<!-- generated: (?P<name>[\w ]+) -->\n.*?^<!-- end: (?P=name) -->$", re.MULTILINE | re.DOTALL
)


def main() -> None:
    """Bring every page up to date."""
    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"written: {page}")


def filled(page: str) -> str:
    """The page with every generated part as the code has it now."""

    def part(match: re.Match[str]) -> str:
        name, *arguments = match["name"].split()
        lines = "\n".join(PARTS[name](*arguments)).strip("\n")
        return f"<!-- generated: {match['name']} -->\n\n{lines}\n\n<!-- end: {match['name']} -->"

    return _PART.sub(part, page)


def commands() -> Iterator[str]:
    """Each command with its help, its arguments and its options."""
    yield from _command(typer.main.get_command(app), "grapevine")


def _command(command: Any, name: str) -> Iterator[str]:
    # Newer versions of Typer carry a click of their own: ask what it has, not what it is.
    if parts := getattr(command, "commands", None):
        for part in parts.values():
            yield from _command(part, f"{name} {part.name}")
        return
    yield f"## `{name}`\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    yield "| | default | |\n| --- | --- | --- |"
    for parameter in command.params:
        if parameter.name == "help":
            continue
        spelt = "/".join([*parameter.opts, *parameter.secondary_opts])
        label = spelt if parameter.param_type_name == "option" else parameter.name.upper()
        yield f"| `{label}` | {_default(parameter)} | {_cell(parameter.help or '')} |"
    yield ""


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if isinstance(default, bool):
        names = parameter.opts if default else parameter.secondary_opts
        return f"`{names[0]}`" if names else ""
    return f"`{default}`" if isinstance(default, str | int | float | Path) else ""


def models() -> Iterator[str]:
    """The one table."""
    yield "| name | neighbourhood | merge | update | asked |\n| --- | --- | --- | --- | --- |"
    for name, row in MODELS.items():
        cells = (name, row.neighbourhood, row.merge, row.update, row.asked)
        yield "| " + " | ".join(map(_cell, cells)) + " |"


def papers() -> Iterator[str]:
    """Whom to cite for each model."""
    for name, row in MODELS.items():
        if row.model.paper:
            yield f"- `{name}`: {row.model.paper}"


def sources() -> Iterator[str]:
    """The public datasets."""
    yield "| name | what | counts | licence | serves |\n| --- | --- | --- | --- | --- |"
    for name, source in SOURCES.items():
        counts = ", ".join(f"{count:,} {what}" for what, count in source.expected.items())
        cells = (source.title, counts, source.licence, source.serves)
        yield f"| `{name}` | " + " | ".join(map(_cell, cells)) + " |"


def metrics() -> Iterator[str]:
    """Every metric that a report can name."""
    yield "| name | what it is | better |\n| --- | --- | --- |"
    better = {1: "more", -1: "less", 0: "it depends"}
    for name, metric in METRICS.items():
        shown = f"{name}@k" if metric.cut else name
        yield f"| `{shown}` | {_cell(metric.meaning)} | {better[metric.better]} |"


def leaks() -> Iterator[str]:
    """What the audit looks for."""
    yield "| leak | it means |\n| --- | --- |"
    for name, meaning in LEAKS.items():
        yield f"| {name} | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def options() -> Iterator[str]:
    """What `--set` can change, model by model."""
    yield "| model | option | default | |\n| --- | --- | --- | --- |"
    for name, row in MODELS.items():
        for option in options_of(row.config):
            cells = (f"`{option['option']}`", f"`{option['default']}`", option["meaning"])
            yield f"| `{name}` | " + " | ".join(map(_cell, cells)) + " |"


def recipes() -> Iterator[str]:
    """Every recipe, and what to expect of it."""
    yield "| recipe | what it shows | data | model | expects |\n| --- | --- | --- | --- | --- |"
    for name, recipe in RECIPES.items():
        cells = (recipe.about, f"`{recipe.data}`", f"`{recipe.model}`", recipe.expects)
        yield f"| `{name}` | " + " | ".join(map(_cell, cells)) + " |"


def tutorial(piece: str) -> Iterator[str]:
    """A piece of the tutorial's code."""
    code = TUTORIAL.read_text(encoding="utf-8")
    yield "```python"
    yield code.partition(f"# [start:{piece}]\n")[2].partition(f"# [end:{piece}]\n")[0].rstrip()
    yield "```"


PARTS = {
    "commands": commands,
    "leaks": leaks,
    "metrics": metrics,
    "models": models,
    "options": options,
    "papers": papers,
    "recipes": recipes,
    "sources": sources,
    "tutorial": tutorial,
}

if __name__ == "__main__":
    main()
