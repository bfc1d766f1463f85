"""Import, refresh and name collisions on the real engine."""

import shutil

import pytest

from sandbox.cloud.store import StoredResource
from tests.engine.sandbox_run import STACK, Sandbox

pytestmark = pytest.mark.engine

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
NAME = "/made/by/hand"


def put_log_group(sandbox: Sandbox) -> None:
    inputs = {"name": NAME, "retentionInDays": 7}
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{NAME}"
    stored = StoredResource(
        provider="aws", type=LOG_GROUP, id=NAME, inputs=inputs, properties={**inputs, "arn": arn}
    )
    sandbox.cloud.put(stored)


def state_names(sandbox: Sandbox) -> set[str]:
    return {each["urn"].split("::")[-1] for each in sandbox.resources()}


def test_what_is_in_the_cloud_is_imported_and_what_is_not_is_refused(empty: Sandbox) -> None:
    empty.must("stack", "init", STACK)
    put_log_group(empty)
    refused = empty.run("import", LOG_GROUP, "absent", "/no/such", "--yes", "--stack", STACK)
    assert refused.returncode != 0
    assert "resource '/no/such' does not exist" in refused.stdout + refused.stderr
    assert "absent" not in state_names(empty)

    empty.must("import", LOG_GROUP, "found", NAME, "--yes", "--stack", STACK)
    (found,) = [each for each in empty.resources() if each["type"] == LOG_GROUP]
    assert found["id"] == NAME
    assert found["inputs"].items() >= {"name": NAME, "retentionInDays": 7}.items()
    empty.must("refresh", "--preview-only", "--expect-no-changes", "--stack", STACK)

    empty.cloud.edit("aws", LOG_GROUP, NAME, {"retentionInDays": 30})
    assert empty.run("refresh", "--preview-only", "--expect-no-changes", "-s", STACK).returncode


def test_a_refresh_of_an_unchanged_stack_finds_no_drift(example: Sandbox) -> None:
    example.must("refresh", "--preview-only", "--expect-no-changes", "--stack", STACK)


def test_a_second_stack_cannot_take_the_names_of_the_first(deployed: Sandbox) -> None:
    # Two backends are independent, so stacks with one name need the same physical names.
    shutil.rmtree(deployed.folder / "home" / "state")
    before = {(stored.type, stored.id) for stored in deployed.cloud.list()}
    up = ("up", "--yes", "--skip-preview", "--continue-on-error", "--stack", STACK)
    refused = deployed.run(*up)
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert f"{LOG_GROUP} 'us-east-1 /mcp-platform/{STACK}/clock' exists already" in said
    assert "prematurely" not in said
    assert "Traceback" not in said
    assert before <= {(stored.type, stored.id) for stored in deployed.cloud.list()}
