"""A broken configuration ends the program with one message, and no traceback."""

from typing import Any

import pulumi
import pytest

from tests.components.fleets import FULL, MINIMAL, PUBLIC, with_server
from tests.components.recording import run


def _without(section: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name != key}


@pytest.mark.parametrize(
    ("fleet", "path"),
    [
        ({}, "mcp-platform:servers"),
        ({**MINIMAL, "target": "fargate"}, "mcp-platform:target"),
        ({**MINIMAL, "srevers": {}}, "mcp-platform:srevers"),
        (with_server(cpu=300), "mcp-platform:servers.clock.cpu"),
        (with_server(max_request_seconds=3971), "mcp-platform:servers.clock.max_request_seconds"),
        (
            {**with_server(max_request_seconds=901), "target": "lambda"},
            "mcp-platform:servers.clock.max_request_seconds",
        ),
        (
            {**with_server(sessions="legacy-stateful"), "target": "lambda"},
            "mcp-platform:servers.clock.sessions",
        ),
        (with_server(secrets=["nowhere"]), "mcp-platform:servers.clock.secrets[0]"),
        ({**FULL, "gateway": _without(PUBLIC, "auth")}, "mcp-platform:gateway.auth"),
        ({**FULL, "gateway": _without(PUBLIC, "domain")}, "mcp-platform:gateway.domain"),
        ({**FULL, "gateway": _without(PUBLIC, "zone")}, "mcp-platform:gateway.zone"),
        (
            {**MINIMAL, "gateway": {"allow_cidrs": ["0.0.0.0/0"]}},
            "mcp-platform:gateway.allow_cidrs[0]",
        ),
    ],
)
def test_a_configuration_error_is_reported_with_its_path(fleet: dict[str, Any], path: str):
    with pytest.raises(pulumi.RunError) as refused:
        run(fleet)
    message = str(refused.value)
    assert "1 error. No resources were changed." in message
    assert f"\n  {path}\n" in message


def test_configuration_errors_are_reported_together():
    fleet = with_server(cpu=300) | {"network": {"zones": 7}, "tags": {"aws:team": "platform"}}
    with pytest.raises(pulumi.RunError, match=r"3 errors\. No resources were changed\."):
        run(fleet)
