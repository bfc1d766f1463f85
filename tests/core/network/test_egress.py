from typing import Any

import pytest

from core.config.enums import Nat
from core.config.model import Fleet
from core.targets.dispatch import egress

_IMAGE = {"image": {"uri": "example.com/clock@sha256:" + "0" * 64}}
_MODELS = {"models": ["amazon.nova-lite-v1:0"]}
_FILES = {"storage": {"mount": "/data"}}
_ALL = {
    "servers": {"clock": _IMAGE, "notes": _IMAGE | _FILES},
    "agents": {
        "helper": _IMAGE | _MODELS,
        "insider": _IMAGE | {"private_network": True},
        "loop": _MODELS | _FILES | {"runs_as": "state-machine", "private_network": True},
    },
}


def _fleet(target: str, nat: str = "none", **keys: Any) -> Fleet:
    return Fleet.model_validate(_ALL | {"target": target, "network": {"nat": nat}} | keys)


def test_on_lambda_only_what_has_files_or_calls_private_addresses_is_inside():
    assert egress(_fleet("lambda")).inside == (
        "notes",
        "insider",
    )


@pytest.mark.parametrize("target", ["ecs", "eks"])
def test_elsewhere_everything_is_inside(target: str):
    assert egress(_fleet(target)).inside == (
        "clock",
        "notes",
        "helper",
        "insider",
        "loop",
    )


def test_only_lambda_makes_state_machines_and_only_of_agents_that_run_as_one():
    def machines(fleet: Fleet) -> list[str]:
        return [name for name, load in fleet.workloads() if fleet.is_state_machine(load)]

    assert machines(_fleet("lambda")) == ["loop"]
    assert machines(_fleet("ecs")) == machines(_fleet("eks")) == []


@pytest.mark.parametrize("nat", ["none", "single", "per-zone"])
def test_a_network_has_the_nat_that_was_asked_for_unless_nothing_is_inside(nat: str):
    nothing: dict[str, Any] = {"servers": {"clock": _IMAGE}, "agents": {}}
    assert egress(_fleet("lambda", nat)).nat is Nat(nat)
    assert egress(_fleet("ecs", nat, **nothing)).nat is Nat(nat)
    assert egress(_fleet("lambda", nat, **nothing)).nat is Nat.NONE
    assert egress(_fleet("lambda", nat, **nothing)).endpoint_services == ()


@pytest.mark.parametrize("target", ["lambda", "ecs", "eks"])
@pytest.mark.parametrize("nat", ["single", "per-zone"])
def test_where_there_is_nat_there_are_no_endpoints(target: str, nat: str):
    assert egress(_fleet(target, nat)).endpoint_services == ()


_CONTAINERS = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]


@pytest.mark.parametrize(
    ("keys", "services"),
    [
        ({}, []),
        ({"exec": True, "writable_root": True}, ["ssmmessages"]),
        (_MODELS, ["bedrock-runtime"]),
        (_MODELS | {"exec": True, "writable_root": True}, ["ssmmessages", "bedrock-runtime"]),
    ],
)
def test_without_nat_workloads_reach_what_they_are_made_of_and_what_they_ask_for(
    keys: dict[str, Any], services: list[str]
):
    agents = {"helper": _IMAGE | keys}
    fleet = _fleet("ecs", servers={}, agents=agents)
    assert list(egress(fleet).endpoint_services) == _CONTAINERS + services
    agents = {"helper": _IMAGE | keys | _FILES}
    fleet = _fleet("lambda", servers={}, agents=agents)
    assert list(egress(fleet).endpoint_services) == ["secretsmanager", *services]


_CLUSTER = ["ec2", "eks", "eks-auth", "sts", "monitoring", "xray"]


@pytest.mark.parametrize(
    ("keys", "services"),
    [
        ({}, []),
        ({"exec": True, "writable_root": True}, []),
        (_FILES, ["elasticfilesystem"]),
        (_FILES | _MODELS, ["elasticfilesystem", "bedrock-runtime"]),
    ],
)
def test_without_nat_a_cluster_reaches_what_nodes_and_addons_call(
    keys: dict[str, Any], services: list[str]
):
    fleet = _fleet("eks", servers={}, agents={"helper": _IMAGE | keys})
    assert list(egress(fleet).endpoint_services) == _CONTAINERS + _CLUSTER + services


def test_on_lambda_what_is_outside_asks_for_no_endpoint():
    fleet = _fleet("lambda", agents={"helper": _IMAGE | _MODELS})
    assert egress(fleet).inside == ("notes",)
    assert list(egress(fleet).endpoint_services) == ["secretsmanager"]
