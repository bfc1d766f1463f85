"""The results of the readers for fleets that the real engine deploys."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import StoredResource
from sandbox.serve.fleet import GATEWAY, OPERATOR, DeployedError, Fleet, Process
from sandbox.serve.readers import ecs, eks
from tests.engine.sandbox_run import Sandbox, create

pytestmark = pytest.mark.engine

IMAGE = {
    "context": "workloads/assistant",
    "additional_contexts": {"common": "workloads/common"},
}
CLERK = {"image": IMAGE, "uses": ["notes"], "expose": False}
"""A second agent, which lists one of the two servers and is not behind the gateway."""
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{CLAUDE}"
MODEL = f"arn:aws:bedrock:us-west-2::foundation-model/{CLAUDE}"
AGENTS, SERVERS = ("assistant", "clerk"), ("clock", "notes")


def _give_domain(sandbox: Sandbox) -> None:
    """Configures a domain in an existing zone, without authentication."""
    zone = StoredResource(
        provider="aws",
        type="aws:route53/zone:Zone",
        id="Z0123456789ABCDEFGHIJ",
        inputs={"name": "example.com"},
        properties={"name": "example.com", "zoneId": "Z0123456789ABCDEFGHIJ"},
    )
    sandbox.cloud.put(zone)
    sandbox.configure("gateway", {"domain": "mcp.example.com", "zone": zone.id})


@pytest.fixture(scope="module")
def with_clerk(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = create(tmp_path_factory.mktemp("clerk"))
    sandbox.configure("agents.clerk", CLERK)
    _give_domain(sandbox)
    sandbox.up()
    return sandbox


@pytest.fixture(scope="module")
def with_teams(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A fleet on EKS in two namespaces."""
    sandbox = create(tmp_path_factory.mktemp("teams"))
    sandbox.configure("target", "eks")
    sandbox.configure("agents.clerk", CLERK)
    _give_domain(sandbox)
    sandbox.configure("teams.records.pods", 40)
    sandbox.configure("servers.notes.team", "records")
    sandbox.up()
    return sandbox


def _processes(deployed: Fleet) -> dict[str, Process]:
    return {one.name: one for one in deployed.processes}


def _reached(deployed: Fleet, *sources: str) -> set[tuple[str, str]]:
    """The allowed edges, without the edges from a workload to itself."""
    return {
        (source, process.name)
        for source in (*sources, *(one.name for one in deployed.processes))
        for process in deployed.processes
        if source.split("/")[0] != process.name.split("/")[0]
        and process.port
        and deployed.refusal(source, process.name, process.port) is None
    }


def _found(deployed: Fleet, agent: str) -> dict[str, str | None]:
    """The workloads at the addresses that an agent has, by server."""
    given = json.loads(_processes(deployed)[agent].environment["MCP_SERVERS"])
    found: dict[str, str | None] = {}
    for server, url in given.items():
        host, _, port = url.removeprefix("http://").removesuffix("/mcp").partition(":")
        found[server] = deployed.resolve(agent, host, int(port))
    return found


def test_ecs_runs_the_example_as_it_was_deployed(example: Sandbox) -> None:
    deployed = ecs.read(example.cloud)
    found = _processes(deployed)
    assert (deployed.target, deployed.region) == ("ecs", "us-east-1")
    assert deployed.entry == example.outputs()["gateway_url"]
    assert list(found) == ["assistant", "clock", "notes"]
    notes = found["notes"]
    assert notes.environment["NOTES_API_KEY"] == "example-api-key"
    assert len(notes.environment["REQUEST_STATE_KEY"]) == 64
    assert notes.environment["FILES_DIR"] == "/data"
    (file_system,) = example.cloud.list("aws", "aws:efs/fileSystem:FileSystem")
    assert notes.files == {"/data": f"{file_system.id}/notes"}
    assert (notes.port, notes.health_path, notes.health_seconds) == (8080, "/health", 60)
    assert (notes.stop_seconds, notes.replicas, notes.kind) == (120, 1, "task")
    images = {stored.properties["digest"] for stored in example.cloud.list("docker-build")}
    assert {one.image.partition("@")[2] for one in deployed.processes} == images
    assert _found(deployed, "assistant") == {"clock": "clock", "notes": "notes"}


def test_eks_runs_the_example_as_it_was_deployed(clustered: Sandbox) -> None:
    deployed = eks.read(clustered.cloud)
    found = _processes(deployed)
    assert (deployed.target, deployed.region) == ("eks", "us-east-1")
    assert deployed.entry == clustered.outputs()["gateway_url"]
    assert list(found) == ["assistant", "clock", "notes"]
    notes = found["notes"]
    assert notes.environment["NOTES_API_KEY"] == "example-api-key"
    assert len(notes.environment["REQUEST_STATE_KEY"]) == 64
    (file_system,) = clustered.cloud.list("aws", "aws:efs/fileSystem:FileSystem")
    assert notes.files == {"/data": f"{file_system.id}/notes"}
    assert (notes.port, notes.health_path, notes.health_seconds) == (8080, "/health", 60)
    # The grace period of the pod without the sleep before SIGTERM.
    assert (notes.stop_seconds, notes.replicas, notes.kind) == (305, 1, "pod")
    images = {stored.properties["digest"] for stored in clustered.cloud.list("docker-build")}
    assert {one.image.partition("@")[2] for one in deployed.processes} == images
    assert _found(deployed, "assistant") == {"clock": "clock", "notes": "notes"}


@pytest.mark.parametrize(("reader", "fixture"), [(ecs, "with_clerk"), (eks, "with_teams")])
def test_an_agent_reaches_the_servers_that_it_lists_and_no_other(
    reader: Any, fixture: str, request: pytest.FixtureRequest
) -> None:
    sandbox: Sandbox = request.getfixturevalue(fixture)
    deployed: Fleet = reader.read(sandbox.cloud)
    assert _found(deployed, "assistant") == {"clock": "clock", "notes": "notes"}
    assert _found(deployed, "clerk") == {"notes": "notes"}
    assert _reached(deployed, GATEWAY, OPERATOR) == {
        ("assistant", "clock"),
        ("assistant", "notes"),
        ("clerk", "notes"),
        (GATEWAY, "assistant"),
        (GATEWAY, "clock"),
        (GATEWAY, "notes"),
    }
    # Like all clients in the network, it resolves the name. It cannot connect.
    address = json.loads(_processes(deployed)["assistant"].environment["MCP_SERVERS"])["clock"]
    host = address.removeprefix("http://").partition(":")[0]
    assert deployed.resolve("clerk", host, 8080) == "clock"
    refusal = str(deployed.refusal("clerk", "clock", 8080))
    assert "no egress rule for TCP port 8080 to clock" in refusal
    assert "clerk" in refusal


@pytest.mark.parametrize(("reader", "fixture"), [(ecs, "with_clerk"), (eks, "with_teams")])
def test_only_an_agent_with_models_may_invoke_them(
    reader: Any, fixture: str, request: pytest.FixtureRequest
) -> None:
    sandbox: Sandbox = request.getfixturevalue(fixture)
    deployed: Fleet = reader.read(sandbox.cloud)
    asked = "bedrock:InvokeModelWithResponseStream"
    through = {"bedrock:InferenceProfileArn": PROFILE}
    for arn, context in ((PROFILE, None), (MODEL, through)):
        everybody = (*AGENTS, *SERVERS, OPERATOR)
        may = {who for who in everybody if deployed.allows(who, asked, arn, context)}
        assert may == {"assistant", OPERATOR}
        assert not deployed.allows("assistant", asked, f"{arn}-other", context)
    assert not deployed.allows("assistant", asked, MODEL)


@pytest.mark.parametrize(("reader", "fixture"), [(ecs, "with_clerk"), (eks, "with_teams")])
def test_no_workload_reaches_another_through_a_gateway_that_asks_for_no_token(
    reader: Any, fixture: str, request: pytest.FixtureRequest
) -> None:
    deployed: Fleet = reader.read(request.getfixturevalue(fixture).cloud)
    assert deployed.entry == "https://mcp.example.com"
    for who in (*AGENTS, *SERVERS):
        for port in (80, 443):
            assert "the gateway" in str(deployed.to_gateway(who, port))


def test_a_short_name_is_of_the_callers_own_namespace(with_teams: Sandbox) -> None:
    resolve = eks.read(with_teams.cloud).resolve
    assert resolve("assistant", "clock", 8080) == "clock"
    assert resolve("notes", "clock", 8080) is None
    assert resolve("assistant", "notes", 8080) is None
    assert resolve("assistant", "notes.records", 8080) == "notes"
    assert resolve("assistant", "notes.records.svc.cluster.local", 8080) == "notes"


def test_sidecars_run_beside_their_agent_and_only_it_reaches_them(empty: Sandbox) -> None:
    empty.configure("servers.notes.expose", False)
    empty.configure("agents.assistant.cpu", 256)
    empty.configure("agents.assistant.memory", 512)
    empty.configure("agents.assistant.sidecars", ["clock", "notes"])
    empty.up()
    deployed = ecs.read(empty.cloud)
    found = _processes(deployed)
    assert {name: one.port for name, one in found.items()} == {
        "assistant": 8080,
        "assistant/clock": 8081,
        "assistant/notes": 8082,
        "clock": 8080,
    }
    (file_system,) = empty.cloud.list("aws", "aws:efs/fileSystem:FileSystem")
    assert found["assistant/notes"].files == {"/data": f"{file_system.id}/notes"}
    assert found["assistant"].files == {}
    assert found["assistant/notes"].environment["NOTES_API_KEY"] == "example-api-key"
    assert "NOTES_API_KEY" not in found["assistant"].environment
    assert _found(deployed, "assistant") == {"clock": "assistant/clock", "notes": "assistant/notes"}
    assert deployed.refusal("assistant", "assistant/notes", 8082) is None
    assert deployed.resolve("clock", "localhost", 8082) is None
    assert _reached(deployed, GATEWAY) == {(GATEWAY, "assistant"), (GATEWAY, "clock")}


def test_in_a_mesh_the_same_calls_get_through(tmp_path: Path) -> None:
    sandbox = create(tmp_path / "meshed")
    sandbox.configure("target", "eks")
    sandbox.configure("agents.clerk", CLERK)
    _give_domain(sandbox)
    sandbox.configure("mesh", "istio")
    sandbox.up()
    deployed = eks.read(sandbox.cloud)
    assert _reached(deployed, GATEWAY, OPERATOR) == {
        ("assistant", "clock"),
        ("assistant", "notes"),
        ("clerk", "notes"),
        (GATEWAY, "assistant"),
        (GATEWAY, "clock"),
        (GATEWAY, "notes"),
    }
    assert "TCP port 15008 to clock" in str(deployed.refusal("clerk", "clock", 8080))
    # Without network policies, only the authorization policies of the mesh apply.
    owner = next(one.provider for one in sandbox.cloud.list() if "kubernetes@" in one.provider)
    for one in sandbox.cloud.list(owner, "kubernetes:networking.k8s.io/v1:NetworkPolicy"):
        sandbox.cloud.delete(owner, one.type, one.id)
    assert eks.read(sandbox.cloud).refusal("clerk", "clock", 8080) == (
        "the authorization policies of clock (clock.10182ab) do not let clerk "
        "(cluster.local/ns/mcp/sa/clerk) reach TCP port 8080"
    )
    assert eks.read(sandbox.cloud).refusal("assistant", "clock", 8080) is None


def test_a_removed_rule_breaks_the_connection(with_clerk: Sandbox, tmp_path: Path) -> None:
    cloud = with_clerk.copy(tmp_path / "copy").cloud
    kind = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    (rule,) = (
        one
        for one in cloud.list("aws", kind)
        if one.properties["description"] == "clerk uses notes"
    )
    cloud.delete("aws", kind, rule.id)
    deployed = ecs.read(cloud)
    assert "the security groups of notes" in str(deployed.refusal("clerk", "notes", 8080))
    assert deployed.refusal("assistant", "notes", 8080) is None


@pytest.mark.parametrize(
    ("reader", "fixture", "role", "reason"),
    [
        (ecs, "example", "ecs-notes-execution", "notes: ResourceInitializationError: .* AccessDen"),
        (ecs, "example", "ecs-notes-task", "notes cannot mount fs-.*: access denied by server"),
        (eks, "clustered", "eks-notes-pod", "notes: SecretProviderClass mcp/notes-.* AccessDenied"),
        (eks, "clustered", "eks-base-aws-efs-csi-driver", "notes cannot mount fs-.*access denied"),
    ],
)
def test_a_removed_permission_keeps_a_server_from_starting(
    reader: Any,
    fixture: str,
    role: str,
    reason: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    sandbox: Sandbox = request.getfixturevalue(fixture)
    cloud = sandbox.copy(tmp_path / "copy").cloud
    kind = "aws:iam/rolePolicy:RolePolicy"
    policies = [one for one in cloud.list("aws", kind) if one.id.startswith(role)]
    assert len(policies) == 1
    cloud.delete("aws", kind, policies[0].id)
    with pytest.raises(DeployedError, match=reason):
        reader.read(cloud)


def test_a_reader_says_which_target_it_did_not_find(example: Sandbox, clustered: Sandbox) -> None:
    with pytest.raises(DeployedError, match="no ECS service: bring a stack with target ecs up"):
        ecs.read(clustered.cloud)
    with pytest.raises(DeployedError, match="Deployments are in 0 clusters"):
        eks.read(example.cloud)
