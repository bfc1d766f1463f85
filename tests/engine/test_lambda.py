"""The example fleets on Lambda, on the real engine."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from sandbox.serve.api_gateway.deployments import with_copies
from tests.engine.sandbox_run import ROOT, STACK, Sandbox

pytestmark = pytest.mark.engine

IMAGE = {
    "context": "workloads/clock",
    "additional_contexts": {"common": "workloads/common"},
}


@pytest.fixture
def changed(serverless: Sandbox, tmp_path: Path) -> Sandbox:
    """A copy of the deployed fleet, which a test can change."""
    return serverless.copy(tmp_path / "changed")


def test_up_gives_the_contract_outputs(serverless: Sandbox) -> None:
    outputs = serverless.outputs()
    url = outputs["gateway_url"]
    assert url.startswith("https://")
    assert url.endswith(".execute-api.us-east-1.amazonaws.com/live")
    assert outputs["servers"] == {
        "clock": f"{url}/servers/clock/mcp",
        "notes": f"{url}/servers/notes/mcp",
    }
    assert outputs["agents"] == {"assistant": f"{url}/agents/assistant"}
    assert outputs["chat"] == {}
    assert outputs["discovery"] == {
        "namespace": "mcp-platform-dev",
        "parameter": "/mcp-platform/dev/discovery",
    }
    assert outputs["log_groups"] == {
        name: f"/mcp-platform/dev/{name}" for name in ("assistant", "clock", "notes")
    }
    proxy = json.loads(outputs["mcp_json"])["mcpServers"]["clock"]
    assert proxy["command"] == "uvx"
    assert f"{url}/servers/clock/mcp" in proxy["args"]


def test_up_makes_a_function_and_an_alias_for_every_workload(serverless: Sandbox) -> None:
    counts = Counter(each["type"] for each in serverless.resources())
    assert counts["aws:lambda/function:Function"] == 3
    assert counts["aws:lambda/alias:Alias"] == 3
    assert counts["aws:servicediscovery/instance:Instance"] == 2
    assert counts["aws:apigateway/stage:Stage"] == 1
    assert counts["aws:ecs/service:Service"] == counts["aws:lb/loadBalancer:LoadBalancer"] == 0


def test_up_says_nothing_that_the_sandbox_does_not_know(empty: Sandbox) -> None:
    empty.configure("target", "lambda")
    done = empty.run("up", "--yes", "--stack", STACK, "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    warnings = [line for line in (done.stdout + done.stderr).splitlines() if "warning" in line]
    assert [line for line in warnings if "health_check_custom_config" not in line] == []


def test_a_second_preview_has_no_changes(serverless: Sandbox) -> None:
    serverless.must("preview", "--stack", STACK, "--expect-no-changes")


def test_a_refresh_finds_nothing(serverless: Sandbox) -> None:
    serverless.must("refresh", "--yes", "--stack", STACK, "--expect-no-changes")


def test_more_memory_is_a_new_version_of_one_function(changed: Sandbox) -> None:
    changed.configure("servers.clock.memory", 2048)
    assert changed.changes() == {"update": ["lambda-clock-function", "lambda-clock-live"]}
    changed.up()
    (alias,) = (
        each
        for each in changed.resources()
        if each["type"] == "aws:lambda/alias:Alias" and "clock" in each["urn"]
    )
    assert alias["outputs"]["functionVersion"] == "2"
    assert changed.changes() == {}


def test_a_function_leaves_the_network_and_nothing_of_it_stays_there(changed: Sandbox) -> None:
    def inside() -> list[str]:
        functions = changed.cloud.list("aws", "aws:lambda/function:Function")
        return [one.id for one in functions if "vpcConfig" in one.properties]

    (before,) = inside()
    # Older versions keep the network interfaces that they were created with.
    changed.configure("servers.notes.memory", 2048)
    changed.up()
    changed.configure("servers.notes.storage", None)
    changed.up()
    assert inside() == []
    assert changed.cloud.get("aws", "aws:lambda/function:Function", before) is None
    groups = changed.cloud.list("aws", "aws:ec2/securityGroup:SecurityGroup")
    assert [one.id for one in groups if "notes" in str(one.properties.get("name"))] == []
    assert changed.changes() == {}


def test_a_list_of_addresses_that_is_removed_is_in_force_no_more(changed: Sandbox) -> None:
    def denials() -> list[str]:
        policies = with_copies(changed.cloud, "aws:apigateway/restApiPolicy:RestApiPolicy")
        return [one.id for one in policies if "NotIpAddress" in str(one.properties["policy"])]

    changed.configure("gateway.allow_cidrs", ["203.0.113.0/24"])
    changed.up()
    assert len(denials()) == 1
    changed.configure("gateway.allow_cidrs", [])
    changed.up()
    assert denials() == []
    assert changed.changes() == {}


def test_a_new_server_touches_no_other_and_deploys_the_routes(changed: Sandbox) -> None:
    changed.configure("servers.second", {"image": IMAGE})
    changes = changed.changes()
    assert all("second" in name for name in changes.pop("create"))
    assert {key: sorted(names) for key, names in changes.items()} == {
        "replace": ["lambda-gateway-routes-deployment"],
        "update": ["lambda-gateway-routes-stage", "published-dashboard", "published-discovery"],
    }
    changed.up()
    assert changed.changes() == {}


def test_no_secret_value_is_in_plain_text_in_state_or_in_a_functions_environment(
    serverless: Sandbox,
) -> None:
    state = serverless.must("stack", "export", "--stack", STACK)
    plain = json.loads(serverless.must("stack", "export", "--stack", STACK, "--show-secrets"))
    values = {
        each["outputs"]["result"]["plaintext"].strip('"')
        for each in plain["deployment"]["resources"]
        if each["type"] == "random:index/randomPassword:RandomPassword"
    } | {"example-api-key"}
    assert len(values) == 3
    assert not any(value in state for value in values)
    for function in serverless.cloud.list("aws", "aws:lambda/function:Function"):
        assert not any(value in json.dumps(function.properties) for value in values)


# The log role of API Gateway in the region is retained, because other APIs use it.
LOG_ROLE = [
    "aws:apigateway/account:Account",
    "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
]


def test_destroy_leaves_nothing_but_the_role_that_the_whole_region_logs_with(
    changed: Sandbox,
) -> None:
    changed.must("destroy", "--yes", "--stack", STACK)
    assert changed.resources() == []
    assert sorted(stored.type for stored in changed.cloud.list()) == LOG_ROLE


def test_a_stack_that_leaves_the_role_to_another_is_destroyed_to_nothing(
    changed: Sandbox,
) -> None:
    changed.must("destroy", "--yes", "--stack", STACK)
    changed.configure("gateway.sets_log_role", False)
    changed.up()
    changed.must("destroy", "--yes", "--stack", STACK)
    assert sorted(stored.type for stored in changed.cloud.list()) == LOG_ROLE


def test_a_failed_create_is_finished_by_a_second_up(empty: Sandbox, tmp_path: Path) -> None:
    empty.configure("target", "lambda")
    faults = tmp_path / "faults.yaml"
    fault = {
        "type": "aws:lambda/function:Function",
        "operation": "create",
        "fail": "the image is not there yet",
        "count": 1,
    }
    faults.write_text(yaml.safe_dump([fault]))
    failed = empty.run(
        "up", "--yes", "--skip-preview", "--stack", STACK, SANDBOX_FAULTS=str(faults)
    )
    assert failed.returncode != 0
    assert "the image is not there yet" in failed.stdout + failed.stderr
    empty.up(SANDBOX_FAULTS=str(faults))
    assert empty.changes() == {}


def test_the_lambda_example_has_a_state_machine_and_a_chat(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    shutil.copy(ROOT / "examples" / "lambda" / "Pulumi.lambda.yaml", tmp_path)
    sandbox.must("up", "--yes", "--skip-preview", "--stack", "lambda")
    outputs = json.loads(sandbox.must("stack", "output", "--json", "--stack", "lambda"))
    assert outputs["agents"].keys() == {"assistant", "researcher"}
    assert outputs["chat"]["assistant"].startswith("wss://")
    sandbox.must("preview", "--stack", "lambda", "--expect-no-changes")
    sandbox.must("destroy", "--yes", "--stack", "lambda")
    assert sorted(stored.type for stored in sandbox.cloud.list()) == LOG_ROLE


def test_what_lambda_cannot_do_is_refused_before_anything_is_made(empty: Sandbox) -> None:
    empty.configure("target", "lambda")
    empty.configure("servers.notes.max_request_seconds", 901)
    empty.configure("servers.clock.sessions", "legacy-stateful")
    refused = empty.run("up", "--yes", "--stack", STACK)
    text = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "The configuration has 2 errors. No resources were changed." in text
    assert "ecs and eks" in text
    assert "Traceback" not in text
    assert empty.cloud.list() == []
