from pathlib import Path
from typing import Any

import pytest

from core.config.errors import Fault
from tests.core.configurations import (
    DIGEST_URI,
    SMALLEST,
    clock,
    configuration,
    fixed,
    many,
    only_fault,
)

_CLOCK = "pulumi config set --path 'mcp-platform:servers.clock"


@pytest.mark.parametrize(
    ("cpu", "memory"), [(256, 512), (256, 2048), (8192, 61440), (16384, 32768), (16384, 122880)]
)
def test_a_workload_has_a_size_that_fargate_offers(root: Path, cpu: int, memory: int):
    own = clock("cpu", value=cpu)
    own["servers"]["clock"]["memory"] = memory
    assert not configuration(own).faults(root)


@pytest.mark.parametrize(
    ("size", "wrong", "allowed", "fix"),
    [
        (
            {"cpu": 256, "memory": 4096},
            "memory",
            (
                "with cpu 256, memory must be 512, 1024 or 2048. The nearest size is cpu 512 "
                "with memory 4096"
            ),
            f"{_CLOCK}.cpu' 512",
        ),
        (
            {"cpu": 300, "memory": 512},
            "cpu",
            (
                "cpu must be one of 256, 512, 1024, 2048, 4096, 8192, 16384. The nearest size "
                "is cpu 512 with memory 1024"
            ),
            f"{_CLOCK}.cpu' 512 && {_CLOCK}.memory' 1024",
        ),
        (
            {"cpu": 16384, "memory": 122881},
            "memory",
            (
                "with cpu 16384, memory must be 32768 to 122880 in steps of 8192. The nearest "
                "size is cpu 16384 with memory 122880"
            ),
            f"{_CLOCK}.memory' 122880",
        ),
    ],
)
def test_a_workload_has_no_other_size(
    root: Path, size: dict[str, int], wrong: str, allowed: str, fix: str
):
    own = clock("image", value={"uri": DIGEST_URI})
    own["servers"]["clock"] |= size
    got = f"cpu {size['cpu']} with memory {size['memory']}"
    assert only_fault(own, root) == Fault(
        path=("servers", "clock", wrong),
        got=got,
        allowed=f"a size that Fargate supports: {allowed}",
        fix=fix,
    )
    assert not fixed(configuration(own), fix).faults(root)


def test_an_agent_uses_60_servers_and_no_61st(root: Path):
    servers = many(61)
    agent: dict[str, Any] = {"image": {"uri": DIGEST_URI}, "uses": sorted(servers)[:60]}
    own = {"servers": servers, "agents": {"helper": agent}}
    assert not configuration(own).faults(root)
    agent["uses"] = sorted(servers)
    assert only_fault(own, root) == Fault(
        path=("agents", "helper", "uses"),
        got="61 servers",
        allowed="at most 60, the quota of rules per security group",
    )


def test_a_server_is_used_by_60_agents_and_by_no_61st(root: Path):
    agents = many(60, uses=["clock"], expose=False)
    assert not configuration(SMALLEST | {"agents": agents}).faults(root)
    agents = many(61, uses=["clock"], expose=False)
    assert only_fault(SMALLEST | {"agents": agents}, root) == Fault(
        path=("servers", "clock"),
        got="61 agents that use it",
        allowed="at most 60, the quota of rules per security group",
    )


def test_a_shell_needs_a_root_that_can_be_written_to(root: Path):
    assert only_fault(clock("exec", value=True), root) == Fault(
        path=("servers", "clock", "exec"),
        got="true",
        allowed="false, or writable_root: true: ECS Exec requires a writable root file system",
        fix=f"{_CLOCK}.writable_root' true",
    )
    own = clock("exec", value=True)
    own["servers"]["clock"]["writable_root"] = True
    assert not configuration(own).faults(root)
