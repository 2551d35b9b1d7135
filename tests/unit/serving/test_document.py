"""The service against its own document: requests that a machine makes up of it, sound and not.

A few hundred in the suite; as many as one likes by

    GRAPEVINE_CASES=2000 python -m pytest tests/unit/serving/test_document.py -s
"""

import os
from collections import Counter
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

# Not that all that is sound by its form is taken: an ID may have no control characters, say.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CASES = int(os.environ.get("GRAPEVINE_CASES", "320"))


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Nothing goes on beside the requests: checked types draw at random, as strategies may not."""
    monkeypatch.setattr("grapevine.serving.following.SECONDS", 3600.0)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_is_asked_is_a_fault(client, mode):
    """No fault of the server, no status and no body that the document does not tell of."""
    told, labels = Counter(), set()
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    for left, operation in zip(range(len(operations), 0, -1), operations):
        # What cannot be asked wrongly leaves its share to those after it.
        share = -(-(CASES // 2 - told.total()) // left)

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=max(share, 1), deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def check(case):
            labels.add(case.operation.label)
            told[case.call_and_validate(checks=CHECKS).status_code] += 1

        with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
            check()
    print(f"{mode.value}: {told.total()} cases of {len(labels)} operations, by status {dict(told)}")
    assert len(labels) > 10
    assert told.total() >= CASES // 2
