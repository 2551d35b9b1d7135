"""What is refused before anybody looks at it, and what stands on every answer."""

import asyncio
import json

import pytest

from grapevine.serving.gate import HEADERS, Gate, Rates


async def echo(scope, receive, send):
    """Answers with how many bytes came."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % length})


def ask(gate, *, path="/v1/x", headers=(), bodies=(b"",)):
    """Status, headers and body of one request."""
    sent, parts = [], list(bodies)

    async def receive():
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers), "client": ("10.0.0.1", 5)}
    asyncio.run(gate(scope, receive, send))
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


def gate(app=echo, *, body=10, waiting=2, rates=None, **more):
    return Gate(app, body=body, waiting=waiting, rates=rates, **more)


def test_headers_stand_on_every_answer():
    for one in (gate(), gate(waiting=0)):
        status, headers, _ = ask(one)
        assert status in {200, 503}
        assert {name: headers[name] for name, _ in HEADERS} == dict(HEADERS)
        assert len(headers[b"x-request-id"]) == 16


@pytest.mark.parametrize(
    ("headers", "bodies"),
    [
        ([(b"content-length", b"11")], [b""]),
        ([(b"content-length", b"-1")], [b""]),
        ([(b"content-length", b"1e3")], [b""]),
        # Who does not say, or lies.
        ([], [b"123456", b"78901"]),
        ([(b"content-length", b"3")], [b"1" * 11]),
    ],
)
def test_what_is_too_large_is_refused(headers, bodies):
    status, answer, body = ask(gate(), headers=headers, bodies=bodies)
    assert status == 413
    assert json.loads(body)["error"]["code"] == "too_large"
    assert int(answer[b"content-length"]) == len(body)


def test_what_is_not_too_large_goes_on():
    status, _, body = ask(gate(), bodies=[b"12345", b"67890"])
    assert (status, body) == (200, b"10")


def test_more_than_may_wait_are_told_to_come_again():
    one = gate(waiting=1)
    seen = []

    async def slow(scope, receive, send):
        if not seen:
            seen.append(None)
            # While this one is under way another comes.
            seen.append(await asyncio.to_thread(ask, one))
            seen.append(await asyncio.to_thread(ask, one, path="/healthz"))
        await echo(scope, receive, send)

    one.app = slow
    assert ask(one)[0] == 200
    assert seen[1][0] == 503
    assert seen[1][1][b"retry-after"] == b"1"
    assert seen[2][0] == 200
    assert one.under_way == 0
    assert ask(one)[0] == 200


def test_a_fault_behind_it_does_not_count_for_ever():
    async def broken(scope, receive, send):
        raise RuntimeError

    one = gate(broken, waiting=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            ask(one)
    assert one.under_way == 0


def test_rates_are_of_each_caller_and_fill_up_again():
    now = [0.0]
    rates = Rates(60, callers=2, clock=lambda: now[0])
    assert [rates.wait(b"a") for _ in range(60)] == [0] * 60
    assert rates.wait(b"a") == 1
    assert rates.wait(b"b") == 0
    now[0] += 2
    assert [rates.wait(b"a") for _ in range(3)] == [0, 0, 1]
    # Of many callers the one that was quiet the longest is forgotten, and begins anew.
    rates.wait(b"c")
    rates.wait(b"d")
    assert rates.wait(b"a") == 0


def test_a_caller_beyond_the_rate_is_told_how_long_to_wait():
    one = gate(rates=Rates(1))
    assert ask(one)[0] == 200
    status, headers, _ = ask(one)
    assert status == 429
    assert 1 <= int(headers[b"retry-after"]) <= 60
    one.known = lambda given: given == b"Bearer another"
    assert ask(one, headers=[(b"authorization", b"Bearer another")])[0] == 200
    assert ask(one, path="/healthz")[0] == 200


def test_a_key_that_is_made_up_makes_no_other_caller():
    one = gate(rates=Rates(2), known=lambda given: given == b"Bearer good")
    made_up = [ask(one, headers=[(b"authorization", b"Bearer %d" % n)])[0] for n in range(4)]
    assert made_up == [200, 200, 429, 429]
    good = [ask(one, headers=[(b"authorization", b"Bearer good")])[0] for _ in range(3)]
    assert good == [200, 200, 429]


def test_a_fault_behind_it_is_told_with_its_headers():
    async def broken(scope, receive, send):
        raise RuntimeError

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    said = 500, "fault", "ours", "see the log", 0
    status, headers, body = ask(gate(broken, fault=lambda scope, error: said))
    assert status == 500
    assert headers[b"x-frame-options"] == b"DENY"
    assert json.loads(body)["error"]["code"] == "fault"
    with pytest.raises(RuntimeError):  # what has begun cannot be taken back
        ask(gate(half, fault=lambda scope, error: said))


def test_a_list_has_a_name_of_its_own_whoever_names_the_request():
    seen = []

    async def noted(scope, receive, send):
        seen.append((scope["request_id"], scope["list_id"]))
        await echo(scope, receive, send)

    given = "0af76519-16cd-43dd-8448-eb211c80319c"
    for headers in ([(b"x-request-id", given.encode())], [(b"x-request-id", given.encode())], []):
        _, answer, _ = ask(gate(noted), headers=headers)
        assert answer[b"x-request-id"].decode() == seen[-1][0]
    (first, one), (second, other), (ours, own) = seen
    assert first == second == given
    assert one != other
    assert one.startswith(f"{given}-")
    assert ours == own


def test_a_length_without_end_is_no_length():
    assert ask(gate(), headers=[(b"content-length", b"9" * 5000)])[0] == 413
