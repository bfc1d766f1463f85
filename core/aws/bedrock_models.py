"""Which Bedrock models can be invoked from a region, and by which id.

Many models cannot be invoked on demand by their own id. They need an inference profile: the model's
id with the prefix of a geography, such as `us.`. Bedrock sends the request to one of the regions
of that geography (Amazon Bedrock User Guide, "Increase throughput with cross-Region inference").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

GLOBAL: Final = "global"
"""The geography of all commercial regions."""

_US = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")
_CANADA = ("ca-central-1", "ca-west-1")
_EUROPE = (
    "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1",
    "eu-west-2", "eu-west-3",
)  # fmt: skip
_ASIA_PACIFIC = (
    "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
    "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
)  # fmt: skip

GEOGRAPHIES: Final[Mapping[str, tuple[str, ...]]] = {
    "us": (*_US, *_CANADA),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "ca": _CANADA,
    "eu": (*_EUROPE, "il-central-1"),
    "apac": (*_ASIA_PACIFIC, "me-central-1"),
    "au": ("ap-southeast-2", "ap-southeast-4", "ap-southeast-6"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "in": ("ap-south-1", "ap-south-2"),
}
"""The regions of each geography: its profiles can be called there and send requests there.

Sources: Amazon Bedrock User Guide, "Supported Regions and models for inference profiles", and the
tables "Geo inference details" of the model cards (us, with ca-central-1 as a source; eu; au; jp;
in: the card of Claude Haiku 4.5, as of 2026-10-04). The profile of a single model may have
fewer regions. This is the largest set, so a refused region is in no table of the geography. The
regions of an existing profile do not change (the guide: profiles are immutable).
"""

EXAMPLE: Final = "anthropic.claude-sonnet-4-5-20250929-v1:0"
"""The model in the examples of error messages. It needs a profile."""

_WIDELY = ("us", "us-gov", "eu", "jp", "au", GLOBAL)

_MANY = 100  # more regions than any geography has, so that the global one is the last

_PROVIDERS = (
    "ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax",
    "mistral", "moonshot", "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs",
    "writer", "zai",
)  # fmt: skip
_PROFILE = re.compile(rf"(?P<geography>[a-z-]+)\.(?P<model>(?:{'|'.join(_PROVIDERS)})\..+)")


@dataclass(frozen=True, kw_only=True)
class _Family:
    """Models that need an inference profile.

    Attributes:
        ids: The pattern of their ids.
        on_demand: The regions in which they can also be invoked by their own id.
        geographies: The geographies whose profiles an error message may propose.
    """

    ids: str
    on_demand: tuple[str, ...] = ()
    geographies: tuple[str, ...] = _WIDELY


_FAMILIES = tuple(
    (re.compile(family.ids), family)
    for family in (
        # Amazon Bedrock User Guide, "Supported foundation models in Amazon Bedrock": regions with
        # an asterisk serve the model only through an inference profile, and "List foundation
        # models" returns only INFERENCE_PROFILE. Since Claude 4, the size precedes the version.
        _Family(ids=r"anthropic\.claude-[a-z]+-\d+.*"),
        _Family(
            ids=r"anthropic\.claude-3-7-sonnet-.*",
            on_demand=("eu-west-2", "us-gov-west-1"),
            geographies=("us", "us-gov", "eu", "apac"),
        ),
        _Family(
            ids=r"anthropic\.claude-3-5-haiku-.*", on_demand=("us-west-2",), geographies=("us",)
        ),
        _Family(ids=r"amazon\.nova-premier-v1:0", geographies=("us",)),
        _Family(ids=r"amazon\.nova-2-lite-v1:0", geographies=("us", "eu", "jp", GLOBAL)),
        _Family(ids=r"deepseek\.r1-v1:0", geographies=("us",)),
        _Family(ids=r"meta\.llama3-2-.*", geographies=("us", "eu", "us-gov")),
        _Family(ids=r"meta\.llama4-.*", geographies=("us",)),
        _Family(ids=r"mistral\.pixtral-large-2502-v1:0", geographies=("us", "eu")),
        _Family(ids=r"writer\.palmyra-x[45]-v1:0", geographies=("us",)),
    )
)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A cross-region inference profile that AWS defines.

    Attributes:
        geography: The prefix of its id, such as `us`.
        model: The id of its model.
    """

    geography: str
    model: str

    @property
    def is_global(self) -> bool:
        """Whether Bedrock may serve a request in any commercial region."""
        return self.geography == GLOBAL

    def regions(self, region: str) -> tuple[str, ...]:
        """The regions that may serve a request from a region, including that region."""
        others = GEOGRAPHIES.get(self.geography, ())
        return tuple(dict.fromkeys((region, *others)))


def profile(name: str) -> Profile | None:
    """The inference profile with an id, or None if the id is that of a model."""
    found = _PROFILE.fullmatch(name)
    return Profile(**found.groupdict()) if found else None


def serves(geography: str, region: str) -> bool:
    """Whether a geography's profiles can be called in a region."""
    if geography == GLOBAL:
        return is_commercial(region)
    return region in GEOGRAPHIES.get(geography, ())


def is_commercial(region: str) -> bool:
    """Whether a region is in the partition `aws`. Global profiles have only such regions."""
    return not region.startswith(("us-gov-", "cn-", "us-iso", "eu-iso", "eusc-"))


def needs_profile(model: str, region: str) -> bool:
    """Whether a model cannot be invoked on demand by its own id in a region."""
    return any(ids.fullmatch(model) and region not in family.on_demand for ids, family in _FAMILIES)


def proposals(model: str, region: str) -> tuple[str, ...]:
    """The known profiles of a model for a region, those with the fewest regions first."""
    known = next((family.geographies for ids, family in _FAMILIES if ids.fullmatch(model)), _WIDELY)
    near = sorted(
        (geography for geography in known if serves(geography, region)),
        key=lambda geography: len(GEOGRAPHIES.get(geography, range(_MANY))),
    )
    return tuple(f"{geography}.{model}" for geography in near)
