"""What a role needs to be allowed to ask a model of Bedrock."""

import re

from sandbox.cloud import Cloud

_ROLE = "aws:iam/role:Role"
# Amazon Bedrock User Guide, "Supported cross-Region inference profiles": the id of a profile is a
# geography and the id of its model.
_PROFILE = re.compile(r"(?:us|us-gov|eu|apac|au|ca|jp|global)\.(?P<model>.+)")


def model_arns(cloud: Cloud, region: str, name: str) -> list[str]:
    """What a role must be allowed to invoke for a model's id or ARN.

    For an inference profile that is the profile, and the model in each region that the profile may
    choose; of these, the fleet's own is looked at.

    Args:
        cloud: The cloud.
        region: The fleet's region.
        name: The id or the ARN.

    Returns:
        The ARNs.
    """
    profile = _PROFILE.fullmatch(name.rpartition(":inference-profile/")[2])
    id_ = profile["model"] if profile else name
    arns = [id_ if id_.startswith("arn:") else f"arn:aws:bedrock:{region}::foundation-model/{id_}"]
    if profile:
        # All that is deployed is of one account.
        roles = [str(thing.properties["arn"]) for thing in cloud.list("aws", _ROLE)]
        account = roles[0].split(":")[4] if roles else ""
        own = f"arn:aws:bedrock:{region}:{account}:inference-profile/{profile[0]}"
        arns.insert(0, name if name.startswith("arn:") else own)
    return arns
