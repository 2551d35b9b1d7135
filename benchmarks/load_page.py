"""The figures of `serving_load.py` as a page."""

from typing import Any

import numpy as np

WANTED = 800
"""Recommendations a second that are asked for, with 99 of 100 answered within..."""
WITHIN_MS = 25
"""...so many milliseconds."""


def page(figures: dict[str, Any], about: str) -> str:
    """All parts that are there."""
    parts = {
        "load": _load,
        "low": _low,
        "overload": _overload,
        "swaps": _swaps,
        "events": _events,
        "soak": _soak,
    }
    lines = ["# A service under load", "", f"{about} {figures.get('note', '')}".strip(), ""]
    for name, tell in parts.items():
        if name in figures:
            lines += [*tell(figures[name]), ""]
    return "\n".join(lines)


def _row(name: str, found: dict[str, Any]) -> str:
    errors = sum(found["faults"].values())
    return (
        f"| {name} | {found['per_second']:,.0f} | {found['p50_ms']:.2f} | {found['p99_ms']:.2f} | "
        f"{found['worst_ms']:.1f} | {errors} |"
    )


def _load(found: dict[str, Any]) -> list[str]:
    full = found["full"]
    bare = {
        kind: np.mean([one[kind]["per_second"] for one in found["ceiling"]])
        for kind in ("dict", "bytes")
    }
    errors = sum(full["faults"].values()) + sum(full["status"].values()) - full["answered"]
    good = full["per_second"] >= WANTED and full["p99_ms"] <= WITHIN_MS and not errors
    return [
        "## Rate and times",
        "",
        "100,000 items, width 64, two layers; histories of 50 events, 25 of them in the store; ten "
        "items a list. Each answer: the history is read, its vector computed (ONNX Runtime), the "
        "index searched, what was seen left out, the list arranged, and what was shown written to "
        "SQLite (`synchronous=FULL`, in groups). The client checks each answer whole. After "
        "the first seconds the histories of all 2,000 users are kept at hand.",
        "",
        "| | a second | p50 ms | p99 ms | worst ms | errors |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        _row(f"8 connections, {full['answered']:,} answers", full),
        _row("32 connections", found["many"]),
        *(
            _row(f"bare FastAPI and uvicorn, {kind}, {when}", one[kind])
            for when, one in zip(("before", "after"), found["ceiling"])
            for kind in ("dict", "bytes")
        ),
        "",
        f"Asked for: {WANTED} a second, p99 of {WITHIN_MS} ms, no error: "
        f"{'met' if good else '**missed**'}. Of the bare framework's rate "
        f"{full['per_second'] / bare['dict']:.0%} (an answer that is a dict) or "
        f"{full['per_second'] / bare['bytes']:.0%} (bytes). Processor: {found['processor_ms']:.2f} "
        f"ms an answer, of one core. Milliseconds by stage: "
        + ", ".join(f"{name} {ms:.3f}" for name, ms in found["stages"].items())
        + f". Load of the machine at the end: {found['machine_load']:.1f}.",
    ]


def _low(found: dict[str, Any]) -> list[str]:
    rates = {name: one for name, one in found.items() if isinstance(one, dict)}
    slow = [name for name, one in rates.items() if one["p50_ms"] >= 3]
    return [
        "## Asked little",
        "",
        "| questions a second | answered | p50 ms | p99 ms | worst ms | errors |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_row(name, one) for name, one in rates.items()),
        "",
        "Asked for: p50 below 3 ms: "
        + (f"**missed** at {', '.join(slow)}" if slow else "met at each")
        + ". The less is asked, the colder the processor's caches, and the more of them belong to "
        f"whatever else runs. Load of the machine: {found['machine_load']:.1f}.",
    ]


def _overload(found: dict[str, Any]) -> list[str]:
    one = found["found"]
    after = one["last_refused_s"] - found["seconds"]
    return [
        "## Five times too much",
        "",
        f"{5 * found['capacity']:,.0f} questions a second, five times the {found['capacity']:,.0f} "
        f"that it answers, for {found['seconds']} s, whatever becomes of them (512 connections; "
        f"{one['unsent']:,} found none free and were not sent); then a third of what it answers.",
        "",
        f"Answers by status: {_counts(one['status'])}. Anything else: "
        f"{_counts(one['faults']) or 'none'}. The last refusal came {after:+.1f} s after the load "
        f"fell; from then on p99 by second, in ms: "
        + ", ".join(f"{ms:.0f}" for ms in one["p99_by_second_ms"])
        + f". `/readyz` afterwards: {found['ready']}.",
    ]


def _swaps(found: dict[str, Any]) -> list[str]:
    memory = found["memory"]
    return [
        "## Fifty swaps under load",
        "",
        f"Two runs of 20,000 items take turns {len(memory) - 1} times (after five to warm up), "
        f"while 150 questions a second come in. A swap takes {found['swap_s']:.1f} s (median), its "
        f"checks included. Answers by status: {_counts(found['status'])}; failed, or unlike what "
        f"the version they name says otherwise: {_counts(found['faults']) or 'none'}; "
        f"{len(found['versions'])} versions answered. p50 {found['p50_ms']:.1f} ms, p99 of the "
        f"worst 20 s {found['p99_ms']:.0f} ms. Memory: {memory[0]:.0f} MB after the first five, "
        f"{memory[-1]:.0f} MB at the end ({memory[-1] / memory[0] - 1:+.1%}), {max(memory):.0f} MB "
        "at most.",
    ]


def _events(found: dict[str, Any]) -> list[str]:
    rows = [one for one in found.values() if isinstance(one, dict)]
    return [
        "## Events",
        "",
        "Over HTTP; each is acknowledged when it is durable.",
        "",
        "| events in a call | connections | events a second | p50 ms | p99 ms | errors |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {one['events']} | {one['connections']} | {one['per_second'] * one['events']:,.0f} "
            f"| {one['p50_ms']:.1f} | {one['p99_ms']:.1f} | {sum(one['faults'].values())} |"
            for one in rows
        ),
    ]


def _soak(found: dict[str, Any]) -> list[str]:
    at, memory, files = (np.array(one) for one in zip(*found["told"]))
    late = at > at[-1] / 3
    slope = np.polyfit(at[late] / 60, memory[late], 1)[0]
    reads = found["reads"]
    return [
        "## A long run",
        "",
        f"{found['minutes']:g} minutes of 400 questions and 20 calls with an event a second. "
        f"Answers by status: {_counts(reads['status'])}; faults: "
        f"{_counts(reads['faults']) or 'none'}; p50 {reads['p50_ms']:.2f} ms, p99 "
        f"{reads['p99_ms']:.1f} ms. Events: {found['writes']:,}, faults {found['write_faults']}. "
        f"Memory: {memory[0]:.0f} MB at first, {memory[-1]:.0f} MB at the end; {slope:+.2f} MB a "
        f"minute over the last two thirds. Open files: {files[0]:.0f} at first, {files[-1]:.0f} at "
        f"the end, {files.max():.0f} at most.",
    ]


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count:,} x {name}" for name, count in found.items())
