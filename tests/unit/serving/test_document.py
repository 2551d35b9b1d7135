"""The service against its own document: requests that a machine makes up of it, sound and not."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

# Not that all that is sound by its form is taken: an ID may have no control characters, say.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Nothing goes on beside the requests: checked types draw at random, as strategies may not."""
    monkeypatch.setattr("grapevine.serving.following.SECONDS", 3600.0)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_is_asked_is_a_fault(client, mode):
    """No fault of the server, no status and no body that the document does not tell of."""
    asked = set()
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=8, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def check(case):
            asked.add(case.operation.label)
            case.call_and_validate(checks=CHECKS)

        with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
            check()
    assert len(asked) > 10
