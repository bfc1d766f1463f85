"""The model ids that Bedrock accepts, and the permissions that a role needs to invoke them.

Facts from the Amazon Bedrock User Guide ("Supported Regions and models for inference profiles",
"Supported foundation models in Amazon Bedrock", "Geographic cross-Region inference", "Global
cross-Region inference") and the model cards; ids as of 2026-10.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sandbox.cloud.store import Cloud

PROFILE_KEY: Final = "bedrock:InferenceProfileArn"
"""The condition key that names the profile through which a model is invoked."""

_ROLE = "aws:iam/role:Role"
_PROVIDERS = r"(?:amazon|anthropic|deepseek|meta|mistral|writer)"
_PROFILE = re.compile(rf"(?P<geography>[a-z-]+)\.(?P<model>{_PROVIDERS}\..+)")
# The regions from which the inference profiles of a geography can be called.
_GEOGRAPHIES = {
    "us": re.compile(r"(us|ca)-(east|west|central)-\d"),
    "us-gov": re.compile(r"us-gov-.*"),
    "ca": re.compile(r"ca-.*"),
    "eu": re.compile(r"(eu|il)-[a-z]+-\d"),
    "apac": re.compile(r"ap-.*|me-central-1"),
    "au": re.compile(r"ap-southeast-[246]"),
    "jp": re.compile(r"ap-northeast-[13]"),
    "in": re.compile(r"ap-south-[12]"),
    "global": re.compile(r"(?!us-gov|us-iso|eu-iso|eusc|cn-).*"),
}
# Another region that can serve a request of such a profile, different from the fleet's.
_FAR = {
    "us": "us-west-2",
    "us-gov": "us-gov-west-1",
    "ca": "ca-central-1",
    "eu": "eu-north-1",
    "apac": "ap-southeast-1",
    "au": "ap-southeast-4",
    "jp": "ap-northeast-3",
    "in": "ap-south-2",
    "global": "",
}
_BY_PROFILE_ONLY = re.compile(
    r"anthropic\.claude-(?:[a-z]+-\d|3-7-sonnet).*"
    r"|amazon\.nova-(?:premier|2-lite)-.*"
    r"|deepseek\.r1-.*|meta\.llama(?:3-2|4)-.*|mistral\.pixtral-.*|writer\.palmyra-x.*"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Invoked:
    """A resource that a role needs permission to invoke.

    Attributes:
        arn: Its ARN.
        context: The condition keys that Bedrock sends with it.
    """

    arn: str
    context: Mapping[str, str] = field(default_factory=dict[str, str])


def error(region: str, name: str) -> str | None:
    """The reason why Bedrock does not accept a model id or ARN in a region, or None.

    Args:
        region: The region.
        name: The id or the ARN.

    Returns:
        The message of its ValidationException, or None.
    """
    id_ = _id(name)
    profile = _PROFILE.fullmatch(id_)
    if profile:
        served = _GEOGRAPHIES.get(profile["geography"])
        return None if served and served.fullmatch(region) else _NO_SUCH_ID
    if _BY_PROFILE_ONLY.fullmatch(id_):
        return (
            f"Invocation of model ID {id_} with on-demand throughput isn\u2019t supported. Retry "
            "your request with the ID or ARN of an inference profile that contains this model."
        )
    return None


_NO_SUCH_ID = "The provided model identifier is invalid."


def invoked(cloud: Cloud, region: str, name: str) -> Iterator[Invoked]:
    """The resources that a role needs permission to invoke for a model id or ARN.

    For an inference profile these are the profile and, through the profile, the model in the region
    of the request and in another region of the profile.

    Args:
        cloud: The cloud.
        region: The fleet's region.
        name: The id or the ARN.

    Yields:
        Each resource.
    """
    id_ = _id(name)
    profile = _PROFILE.fullmatch(id_)
    if profile is None:
        own = f"arn:aws:bedrock:{region}::foundation-model/{name}"
        yield Invoked(arn=name if name.startswith("arn:") else own)
        return
    # All deployed resources are in one account.
    roles = [str(stored.properties["arn"]) for stored in cloud.list("aws", _ROLE)]
    account = roles[0].split(":")[4] if roles else ""
    arn = f"arn:aws:bedrock:{region}:{account}:inference-profile/{id_}"
    yield Invoked(arn=name if name.startswith("arn:") else arn)
    for where in dict.fromkeys((region, _FAR.get(profile["geography"], region))):
        yield Invoked(
            arn=f"arn:aws:bedrock:{where}::foundation-model/{profile['model']}",
            context={PROFILE_KEY: arn},
        )


def _id(name: str) -> str:
    for kind in (":inference-profile/", "::foundation-model/"):
        if name.startswith("arn:") and kind in name:
            return name.rpartition(kind)[2]
    return name
