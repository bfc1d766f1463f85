"""A deployed stack keeps the values that it was first deployed with."""

from typing import Any

import pulumi
import pytest

from tests.components.fleets import ADOPTED_NETWORK, EKS_EXAMPLE, EXISTING_VPC, LAMBDA, MINIMAL
from tests.components.recording import Recording, run

targets = pytest.mark.parametrize(
    "fleet", [MINIMAL, LAMBDA, EKS_EXAMPLE], ids=["ecs", "lambda", "eks"]
)


def _remembered(recording: Recording) -> dict[str, str]:
    stashes = recording.of("pulumi.Stash")
    return {made.name: made.inputs["input"] for made in stashes if made.name[:6] == "memory"}


def test_a_new_stack_remembers_its_name_its_region_and_its_network():
    assert _remembered(run(MINIMAL)) == {
        "memory-stack": "dev",
        "memory-region": "us-east-1",
        "memory-network": "10.0.0.0/16",
    }
    assert _remembered(run(ADOPTED_NETWORK))["memory-network"] == EXISTING_VPC["vpc"]["id"]


@targets
def test_a_renamed_stack_keeps_every_name_and_tag_in_aws(fleet: dict[str, Any]):
    # In a preview, because the tests derive ids that AWS generates from the URN.
    before = run(fleet, stack_name="first", preview=True)
    after = run(fleet, stack_name="second", preview=True, remembered={"memory-stack": "first"})
    inputs = [
        {
            made.name: made.inputs
            for made in recording.resources.values()
            if made.kind != "pulumi.Stash"
        }
        for recording in (before, after)
    ]
    assert inputs[0] == inputs[1]
    assert before.exports == after.exports


@targets
@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
@pytest.mark.parametrize(
    ("remembered", "path"),
    [
        ({"memory-region": "eu-west-1"}, "aws:region"),
        ({"memory-network": "10.9.0.0/16"}, "mcp-platform:network.cidr"),
        ({"memory-network": "vpc-0a1b2c3d4e5f60719"}, "mcp-platform:network.cidr"),
    ],
)
def test_another_region_or_network_is_refused_before_anything_is_made_in_aws(
    fleet: dict[str, Any], preview: bool, remembered: dict[str, str], path: str
):
    with pytest.raises(pulumi.RunError) as refused:
        run(fleet, preview=preview, remembered=remembered)
    message = str(refused.value)
    assert "1 error. No resources were changed." in message
    assert f"\n  {path}\n" in message


def test_a_move_into_an_existing_network_is_refused():
    with pytest.raises(pulumi.RunError, match=r"mcp-platform:network\.vpc\.id"):
        run(ADOPTED_NETWORK, remembered={"memory-network": "10.0.0.0/16"})
