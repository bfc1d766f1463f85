"""The program in regions of other partitions, without names of the commercial partition."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.components.fleets import LAMBDA_FULL, PUBLIC
from tests.components.recording import Recording, leaves, run

_GOVERNMENT, _CHINA = "us-gov-west-1", "cn-north-1"
_MODEL = "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0"
_SERVERS: dict[str, Any] = {
    "clock": {"image": {"context": "workloads/clock"}, "storage": {"mount": "/data"}},
    "notes": {"image": {"context": "workloads/notes"}, "secrets": ["made-up"]},
}
_FLEET: dict[str, Any] = {
    "servers": _SERVERS,
    "secrets": {"made-up": {"source": "generated"}},
    "gateway": PUBLIC,
}
_AGENTS: dict[str, Any] = {
    "assistant": {**LAMBDA_FULL["agents"]["assistant"], "uses": ["clock"], "models": [_MODEL]},
    "researcher": {**LAMBDA_FULL["agents"]["researcher"], "models": [_MODEL]},
}
_CONTAINERS = {"assistant": _AGENTS["assistant"]}
_NODES = {"cluster": {"nodes": "managed"}}

FLEETS: dict[str, tuple[str, dict[str, Any]]] = {
    "lambda in GovCloud": (_GOVERNMENT, {**_FLEET, "target": "lambda", "agents": _AGENTS}),
    "ecs in GovCloud": (_GOVERNMENT, {**_FLEET, "target": "ecs", "agents": _CONTAINERS}),
    "eks in GovCloud": (_GOVERNMENT, {**_FLEET, "target": "eks", "agents": _CONTAINERS, **_NODES}),
    "lambda in China": (_CHINA, {**_FLEET, "target": "lambda"}),
    "ecs in China": (_CHINA, {**_FLEET, "target": "ecs"}),
    "eks in China": (_CHINA, {**_FLEET, "target": "eks", **_NODES}),
}
every_fleet = pytest.mark.parametrize(("region", "fleet"), FLEETS.values(), ids=FLEETS)

# Service principals without a region, and groups of Kubernetes, are equal in all partitions.
_SAME_EVERYWHERE = re.compile(
    r"(?<![\w.-])(pods\.|capabilities\.)?[a-z0-9-]+\.amazonaws\.com(?![.\w])"
)


def _texts(recording: Recording) -> Iterator[tuple[str, str]]:
    for made in recording.resources.values():
        yield from ((made.name, text) for text, _ in leaves(made.inputs))
    yield from (("the outputs", text) for text, _ in leaves(recording.exports))


@every_fleet
def test_no_arn_is_of_the_commercial_partition(region: str, fleet: dict[str, Any]):
    texts = _texts(run(fleet, aws={"region": region}))
    assert [(name, text) for name, text in texts if "arn:aws:" in text] == []


@every_fleet
def test_no_host_or_link_is_of_the_commercial_partition(region: str, fleet: dict[str, Any]):
    found: list[tuple[str, str]] = []
    for name, text in _texts(run(fleet, aws={"region": region})):
        left = _SAME_EVERYWHERE.sub("", text)
        foreign = "console.aws.amazon.com" in left
        if region == _CHINA:
            foreign = foreign or bool(re.search(r"amazonaws\.com(?!\.cn)", left))
        if foreign:
            found.append((name, text))
    assert found == []


@pytest.mark.parametrize("region", [_GOVERNMENT, _CHINA])
def test_logs_may_use_the_key_by_the_name_that_they_have_there(region: str):
    recording = run(FLEETS["ecs in China"][1], aws={"region": region})
    statements = recording.one("kms.Key").json("policy")["Statement"]
    (logs,) = (one for one in statements if one["Sid"] == "LogsEncrypt")
    suffix = ".cn" if region == _CHINA else ""
    assert logs["Principal"] == {"Service": [f"logs.{region}.amazonaws.com{suffix}"]}


def test_nodes_in_china_take_their_role_by_the_name_that_instances_have_there():
    region, fleet = FLEETS["eks in China"]
    roles = run(fleet, aws={"region": region}).of("iam.Role")
    trusted = {
        service
        for role in roles
        for statement in role.json("assumeRolePolicy")["Statement"]
        for service in statement["Principal"].get("Service", ())
        if service.startswith("ec2.")
    }
    assert trusted == {"ec2.amazonaws.com.cn"}
