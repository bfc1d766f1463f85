"""The checks of Lambda never underestimate the environment of a function."""

from typing import Any

import pytest

from core.config.model import Fleet
from core.graph import graph
from core.targets.aws_lambda import limits as lambda_limits
from core.targets.aws_lambda.checks import expected_variables
from tests.components.fleets import AUTH, EXISTING_SECRET, LAMBDA, LAMBDA_FULL, MODEL, PUBLIC
from tests.components.recording import Recording, run

_LONG = {
    "server": "s" * 32,
    "agent": "a" * 32,
    "secret": "k" * 64,
    "domain": "d" * 52 + ".example.com",
}
_IMAGE = {"image": {"context": "workloads/clock"}}


def _long(gateway: dict[str, Any], chat: str = "websocket") -> dict[str, Any]:
    """A fleet with the longest names."""
    secrets = [_LONG["secret"], "there-already", "set-outside"]
    return {
        "target": "lambda",
        "servers": {_LONG["server"]: _IMAGE | {"secrets": secrets}},
        "agents": {
            _LONG["agent"]: _IMAGE
            | {
                "uses": [_LONG["server"]],
                "models": [MODEL],
                "chat": chat,
                "instructions": "é" * 500,
                "storage": {"mount": "/data"},
                "secrets": secrets,
            }
        },
        "secrets": {
            _LONG["secret"]: {"source": "generated"},
            "there-already": {"source": "external", "arn": EXISTING_SECRET},
            "set-outside": {"source": "external"},
        },
        "gateway": gateway,
    }


_TLS = {"domain": _LONG["domain"], "zone": PUBLIC["zone"]}


def _told(recording: Recording, workload: str) -> int:
    function = recording.one("lambda.Function", f"lambda-{workload}-function")
    return lambda_limits.environment_bytes(function.inputs["environment"]["variables"])


@pytest.mark.parametrize(
    "configuration",
    [
        LAMBDA,
        LAMBDA_FULL,
        _long({}),
        _long(_TLS),
        _long({"allow_cidrs": ["203.0.113.0/24"]}, chat="none"),
        _long(_TLS | {"auth": AUTH, "exposure": "public"}),
    ],
    ids=["minimal", "full", "long", "with a domain", "with callers", "with tokens"],
)
def test_a_function_is_told_no_more_than_was_reckoned_with(configuration: dict[str, Any]):
    recording = run(configuration)
    fleet = Fleet.model_validate(configuration)
    functions = {
        name: load for name, load in fleet.workloads() if load.image or name in fleet.servers
    }
    assert functions
    for name, load in functions.items():
        expected = expected_variables(fleet, graph(fleet), "us-east-1", name, load)
        most = lambda_limits.environment_bytes(expected)
        assert most - 300 < _told(recording, name) <= most
