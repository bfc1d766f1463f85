"""Which models can be invoked where, and by which id."""

from pathlib import Path

import pytest

from core.aws import bedrock_models
from core.aws.bedrock_models import EXAMPLE, GEOGRAPHIES, Profile
from core.config.errors import Fault
from core.config.patterns import is_region
from tests.core.configurations import DIGEST_URI, HERE_URI, configuration, fixed

_ID = "mcp-platform:agents.helper.models[0]"
_TARGETS = ["ecs", "eks", "lambda"]


def _set(value: str) -> str:
    return f"pulumi config set --path '{_ID}' {value}"


def _faults(root: Path, model: str, region: str, target: str = "ecs") -> tuple[Fault, ...]:
    uri = HERE_URI.replace("us-east-1", region) if target == "lambda" else DIGEST_URI
    own = {"target": target, "agents": {"helper": {"image": {"uri": uri}, "models": [model]}}}
    made = configuration(own, region=region)
    faults = made.faults(root)
    if faults and faults[0].fix:
        assert not fixed(made, faults[0].fix).faults(root)
    return faults


@pytest.mark.parametrize("target", _TARGETS)
@pytest.mark.parametrize(
    ("region", "proposed"),
    [
        ("us-east-1", [f"us.{EXAMPLE}", f"global.{EXAMPLE}"]),
        ("eu-west-1", [f"eu.{EXAMPLE}", f"global.{EXAMPLE}"]),
        ("ap-northeast-3", [f"jp.{EXAMPLE}", f"global.{EXAMPLE}"]),
        ("ap-southeast-4", [f"au.{EXAMPLE}", f"global.{EXAMPLE}"]),
        ("sa-east-1", [f"global.{EXAMPLE}"]),
    ],
)
def test_a_model_that_bedrock_does_not_serve_on_demand_is_refused_with_its_profiles(
    root: Path, target: str, region: str, proposed: list[str]
):
    assert _faults(root, EXAMPLE, region, target) == (
        Fault(
            path=("agents", "helper", "models", 0),
            got=EXAMPLE,
            allowed=(
                f"an inference profile for {region}; the model is not available on "
                f"demand: {' or '.join(proposed)}"
            ),
            fix=_set(proposed[0]),
        ),
    )
    for each in proposed:
        assert not _faults(root, each, region, target)


def test_a_state_machine_is_refused_such_a_model_too(root: Path):
    loop = {"runs_as": "state-machine", "models": [EXAMPLE]}
    made = configuration({"target": "lambda", "agents": {"helper": loop}}, region="eu-west-1")
    (fault,) = made.faults(root)
    fix = _set(f"eu.{EXAMPLE}")
    assert fault.fix == fix
    assert not fixed(made, fix).faults(root)


@pytest.mark.parametrize("target", _TARGETS)
@pytest.mark.parametrize(
    ("model", "region"),
    [
        (f"us.{EXAMPLE}", "eu-west-1"),
        (f"eu.{EXAMPLE}", "us-east-1"),
        (f"jp.{EXAMPLE}", "ap-southeast-2"),
        (f"au.{EXAMPLE}", "ap-northeast-1"),
        ("apac.amazon.nova-lite-v1:0", "us-east-1"),
        (f"moon.{EXAMPLE}", "us-east-1"),
    ],
)
def test_a_profile_of_a_geography_that_does_not_serve_the_region_is_refused(
    root: Path, target: str, model: str, region: str
):
    (fault,) = _faults(root, model, region, target)
    assert fault.got == model
    assert fault.allowed.startswith(f"an inference profile of a geography that includes {region}: ")
    assert fault.fix


@pytest.mark.parametrize(
    ("model", "region"),
    [
        ("amazon.nova-lite-v1:0", "us-east-1"),
        ("us.amazon.nova-lite-v1:0", "us-east-1"),
        ("us.amazon.nova-lite-v1:0", "ca-central-1"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "eu-central-1"),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", "us-west-2"),
        ("moonshotai.kimi-k2.5", "us-east-1"),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-gov-west-1"),
        ("in.anthropic.claude-haiku-4-5-20251001-v1:0", "ap-south-1"),
    ],
)
def test_what_can_be_invoked_is_taken(root: Path, model: str, region: str):
    assert not _faults(root, model, region)


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-opus-4-6-v1",
        "anthropic.claude-sonnet-4-6",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        "anthropic.claude-3-5-haiku-20241022-v1:0",
        "amazon.nova-premier-v1:0",
        "amazon.nova-2-lite-v1:0",
        "deepseek.r1-v1:0",
        "meta.llama3-2-3b-instruct-v1:0",
        "meta.llama4-scout-17b-instruct-v1:0",
        "mistral.pixtral-large-2502-v1:0",
        "writer.palmyra-x5-v1:0",
    ],
)
def test_these_models_need_a_profile_in_us_east_1(root: Path, model: str):
    (fault,) = _faults(root, model, "us-east-1")
    assert fault.fix == _set(f"us.{model}")


def test_a_model_without_a_known_profile_in_the_region_is_refused_without_one(root: Path):
    (fault,) = _faults(root, "deepseek.r1-v1:0", "sa-east-1")
    assert fault.allowed.endswith(": no such profile is known")
    assert fault.fix == f"pulumi config rm --path '{_ID}'"


def test_no_profile_is_known_outside_of_the_commercial_regions_and_govcloud():
    assert bedrock_models.proposals(EXAMPLE, "us-gov-east-1") == (f"us-gov.{EXAMPLE}",)
    assert bedrock_models.proposals(EXAMPLE, "cn-north-1") == ()


def test_a_profile_is_distinguished_from_a_model():
    assert bedrock_models.profile(f"us-gov.{EXAMPLE}") == Profile(geography="us-gov", model=EXAMPLE)
    assert bedrock_models.profile("moonshotai.kimi-k2.5") is None
    assert bedrock_models.profile(EXAMPLE) is None


def test_a_profile_serves_a_request_in_its_regions_and_where_it_came_from():
    jp = Profile(geography="jp", model=EXAMPLE)
    assert jp.regions("ap-northeast-3") == ("ap-northeast-3", "ap-northeast-1")
    assert Profile(geography="global", model=EXAMPLE).regions("eu-west-1") == ("eu-west-1",)


def test_every_region_of_a_geography_is_one():
    assert all(is_region(region) for regions in GEOGRAPHIES.values() for region in regions)
