"""Requests made up from the server's own document: no answer outside it, and never a 500."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.http import create_app
from serving.runtime import Runtime

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.mark.parametrize("label", ["POST /v1/feed", "POST /v1/events", "GET /healthz", "GET /readyz"])
def test_made_up_requests_are_answered_as_the_document_says(label: str, runtime: Runtime) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", create_app(runtime))
    method, path = label.split()

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy())
    def made_up(case: Case) -> None:
        case.call_and_validate(checks=CHECKS)

    made_up()
