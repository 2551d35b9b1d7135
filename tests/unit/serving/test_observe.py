"""What a service tells of itself."""

import asyncio
import json
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from grapevine.serving.observe import KEPT, Lines, Metrics, Traffic, Watched


@given(st.lists(st.floats(1e-4, 5), min_size=1, max_size=60))
def test_quantiles_are_within_a_fifth(seconds):
    now = [1000.0]
    traffic = Traffic(clock=lambda: now[0])
    for one in seconds:
        traffic.request(one, failed=False)
    now[0] += 1
    told = traffic.last(1)
    assert told["requests"] == [len(seconds)]
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        true = 1e3 * np.quantile(seconds, share, method="inverted_cdf")
        assert true <= told[name][0] * 1.001
        assert told[name][0] <= true * 1.2001


def test_seconds_follow_each_other_and_old_ones_are_gone():
    now = [5000.0]
    traffic = Traffic(clock=lambda: now[0])
    for count in (1, 0, 3):
        for _ in range(count):
            traffic.request(0.01, failed=count == 3)
        traffic.happened(10 * count)
        now[0] += 1
    told = traffic.last(4)
    assert told["seconds"] == [4999, 5000, 5001, 5002]
    assert told["requests"] == [0, 1, 0, 3]
    assert told["errors"] == [0, 0, 0, 3]
    assert told["events"] == [0, 10, 0, 30]
    assert told["p50_ms"][0] is None
    now[0] += KEPT
    assert sum(traffic.last(KEPT)["requests"]) == 0


class Route:
    path = "/v1/users/{user_id}/recommendations"


@pytest.mark.parametrize("status", [200, 500, 503])
def test_answers_are_counted_by_their_route(status, caplog):
    async def app(scope, receive, send):
        scope["route"] = Route()
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def nothing(*_):
        return {}

    metrics, traffic = Metrics(), Traffic(clock=lambda: 7.0)
    watched = Watched(app, metrics=metrics, traffic=traffic)
    scope = {"type": "http", "path": "/v1/users/somebody/recommendations"}
    with caplog.at_level(logging.WARNING, "grapevine"):
        asyncio.run(watched(scope, nothing, nothing))
    told = generate_latest(metrics.registry).decode()
    assert f'route="{Route.path}",status="{status}"' in told
    assert "grapevine_requests_under_way 0.0" in told
    # Nobody's ID stands in what is told.
    assert "somebody" not in told + caplog.text
    assert ("answered badly" in caplog.text) == (status == 500)


def test_lines_are_json_whatever_is_said():
    record = logging.LogRecord("grapevine", logging.WARNING, "f.py", 1, 'a "%s"\n', ("ü",), None)
    record.said = {"route": "/v1/x", "ms": 3.5}
    line = Lines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == 'a "ü"\n'
    assert told["level"] == "warning"
    assert told["route"] == "/v1/x"
