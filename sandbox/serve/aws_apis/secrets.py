"""Values of Secrets Manager, for roles that the deployed policies allow to read them."""

import json
from collections.abc import Mapping
from typing import Any, cast

from sandbox.cloud.store import Cloud
from sandbox.iam.evaluate import Context
from sandbox.iam.roles import allows
from sandbox.serve.fleet import DeployedError

CURRENT = "AWSCURRENT"
_SECRET = "aws:secretsmanager/secret:Secret"
_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


def read(
    cloud: Cloud,
    arn: str,
    *,
    role_arn: str,
    version_id: str = "",
    stage: str = "",
    context: Context | None = None,
) -> str:
    """The value of a secret, as GetSecretValue returns it to a role.

    Args:
        cloud: The cloud.
        arn: The secret's ARN.
        role_arn: The caller's role. It needs `secretsmanager:GetSecretValue`, and `kms:Decrypt`
            through Secrets Manager for a customer managed key.
        version_id: The version, or nothing for the one with the stage.
        stage: The version's stage, or nothing for the current one.
        context: Other condition keys of the request.

    Returns:
        The value.

    Raises:
        DeployedError: the role may not read it, or the secret, version or value does not exist.
            The message is that of Secrets Manager.
    """
    secret = next((one.properties for one in cloud.list("aws", _SECRET) if one.id == arn), None)
    _must_allow(cloud, role_arn, "secretsmanager:GetSecretValue", arn, context)
    if secret is None:
        raise DeployedError(
            f"ResourceNotFoundException: Secrets Manager can't find the specified secret: {arn}"
        )
    key = str(secret.get("kmsKeyId") or "")
    if key.startswith("arn:") and ":key/" in key:
        service = f"secretsmanager.{arn.split(':')[3]}.amazonaws.com"
        _must_allow(
            cloud, role_arn, "kms:Decrypt", key, {**(context or {}), "kms:ViaService": service}
        )
    for version in reversed(_versions(cloud, arn)):
        stages = version.get("versionStages") or [CURRENT]
        by_id = version_id in ("", version.get("versionId"))
        # A version that is requested by its id only does not need a stage.
        if by_id and (stage or ("" if version_id else CURRENT)) in ("", *stages):
            return _text(version, arn)
    wanted = f"VersionId: {version_id}" if version_id else f"staging label: {stage or CURRENT}"
    raise DeployedError(
        "ResourceNotFoundException: Secrets Manager can't find the specified secret value for "
        f"{wanted} of {arn}. Set a value, then run bin/sandbox serve again"
    )


def member(value: str, key: str, arn: str) -> str:
    """One value of a secret that is a JSON object.

    Args:
        value: The secret's value.
        key: The key.
        arn: The secret's ARN, for messages.

    Returns:
        The value of the key; a value that is not a string is JSON.

    Raises:
        DeployedError: the secret is not an object with this key.
    """
    try:
        read: object = json.loads(value)
    except json.JSONDecodeError:
        read = None
    if not isinstance(read, dict) or key not in read:
        raise DeployedError(
            f"the value of the secret {arn} is not a JSON object with the key {key}"
        )
    found = cast("dict[str, object]", read)[key]
    return found if isinstance(found, str) else json.dumps(found)


def _must_allow(
    cloud: Cloud, role_arn: str, action: str, resource: str, context: Context | None
) -> None:
    if not allows(cloud, role_arn, action, resource, context):
        raise DeployedError(
            f"AccessDeniedException: {role_arn} is not authorized to perform: {action} on "
            f"resource: {resource} because no identity-based policy allows the {action} action"
        )


def _versions(cloud: Cloud, arn: str) -> list[Mapping[str, Any]]:
    found = [one.properties for one in cloud.list("aws", _VERSION)]
    return [one for one in found if arn in (one.get("secretId"), one.get("secretArn"))]


def _text(version: Mapping[str, Any], arn: str) -> str:
    value = version.get("secretString")
    if not isinstance(value, str):
        raise DeployedError(
            f"the secret {arn} has no text in version {version.get('versionId')}; the sandbox "
            "supports secretString only"
        )
    return value
