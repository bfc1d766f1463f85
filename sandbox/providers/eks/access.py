"""Access to a cluster: authentication modes, access entries, the aws-auth ConfigMap.

Facts from pulumi-eks 4.4 (cluster/authenticationMode.ts).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import yaml

from sandbox.engine.components import Child, Inputs, Value, combine, refuse

CONFIG_MAP, API_AND_CONFIG_MAP, API = "CONFIG_MAP", "API_AND_CONFIG_MAP", "API"
_MODES = (CONFIG_MAP, API_AND_CONFIG_MAP, API)
_CONFIG_MAP_ONLY = ("roleMappings", "userMappings", "instanceRoles")
_NODE_USER = "system:node:{{EC2PrivateDNSName}}"
_NODE_GROUPS = ("system:bootstrappers", "system:nodes")


def supports_config_map(mode: str | None) -> bool:
    """Whether a mode reads the aws-auth ConfigMap; no mode means CONFIG_MAP.

    Args:
        mode: the authentication mode, or None.

    Returns:
        True for all modes except API.
    """
    return not mode or mode in {CONFIG_MAP, API_AND_CONFIG_MAP}


def supports_access_entries(mode: str | None) -> bool:
    """Whether a mode has access entries.

    Args:
        mode: the authentication mode, or None.

    Returns:
        True for API and API_AND_CONFIG_MAP.
    """
    return mode in {API, API_AND_CONFIG_MAP}


def checked(args: Inputs) -> dict[str, Value]:
    """Validates the mode and the inputs that depend on it.

    Args:
        args: inputs of the cluster.

    Returns:
        The inputs; outputs among them fail if they resolve to a value that is not allowed.

    Raises:
        InputPropertiesError: an unknown mode, or inputs that the mode does not support.
    """
    mode = args.get("authenticationMode")
    if mode and mode not in _MODES:
        refuse(
            f"Invalid value for authenticationMode: {mode}. Allowed values are: "
            f"{CONFIG_MAP}, {API_AND_CONFIG_MAP}, {API}."
        )
    result = dict(args)
    if not supports_config_map(mode):
        for key in _CONFIG_MAP_ONLY:
            if args.get(key) is not None:
                result[key] = combine(lambda value, key=key: _empty(key, value, mode), args[key])
    if not supports_access_entries(mode) and args.get("accessEntries"):
        state = f"set to '{mode}'" if mode else "not set"
        refuse(
            f"The 'accessEntries' property is not supported when 'authenticationMode' is {state}."
        )
    return result


def _empty(key: str, value: Sequence[Any], mode: str | None) -> Sequence[Any]:
    if value:
        refuse(
            f"The '{key}' property does not support non-empty values when 'authenticationMode' is "
            f"set to '{mode}'."
        )
    return value


def create_access_entries(
    component: str,
    cluster_name: Value,
    entries: Mapping[str, Mapping[str, Value]],
    opts: pulumi.ResourceOptions,
) -> list[Child]:
    """Creates access entries, and an association for each of their policies.

    Args:
        component: logical name of the cluster component.
        cluster_name: name of the EKS cluster.
        entries: key → entry in wire format.
        opts: options of the entries.

    Returns:
        The entries; an association is `<component>-<key>-<policy's key>` and its entry's child.
    """
    made: list[Child] = []
    for key, entry in entries.items():
        resource = Child(
            "aws:eks/accessEntry:AccessEntry",
            f"{component}-{key}",
            {
                "clusterName": cluster_name,
                "principalArn": entry.get("principalArn"),
                "kubernetesGroups": entry.get("kubernetesGroups"),
                "tags": entry.get("tags"),
                "type": entry.get("type"),
                "userName": entry.get("username"),
            },
            opts,
        )
        made.append(resource)
        policies: Mapping[str, Value] = entry.get("accessPolicies") or {}
        for policy_key, association in policies.items():
            Child(
                "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
                f"{component}-{key}-{policy_key}",
                {
                    "accessScope": combine(lambda one: one.get("accessScope"), association),
                    "policyArn": combine(lambda one: one.get("policyArn"), association),
                    "principalArn": entry.get("principalArn"),
                    "clusterName": cluster_name,
                },
                pulumi.ResourceOptions(parent=resource, depends_on=[resource]),
            )
    return made


def aws_auth_data(
    role_arns: pulumi.Output[list[str]], role_mappings: Value, user_mappings: Value
) -> dict[str, Value]:
    """Data of the aws-auth ConfigMap.

    Args:
        role_arns: ARNs of the nodes' roles.
        role_mappings: roles mapped to users and groups, or None.
        user_mappings: users mapped to users and groups, or None.

    Returns:
        `mapRoles`, and `mapUsers` if there are any.
    """

    def roles(mappings: Sequence[Mapping[str, Any]] | None, arns: Sequence[str]) -> str:
        nodes = [{"roleArn": a, "username": _NODE_USER, "groups": _NODE_GROUPS} for a in arns]
        return _mapping_yaml("roleArn", [*(mappings or ()), *nodes])

    data: dict[str, Value] = {"mapRoles": combine(roles, role_mappings, role_arns)}
    if user_mappings:
        data["mapUsers"] = combine(lambda all_: _mapping_yaml("userArn", all_), user_mappings)
    return data


def _mapping_yaml(key: str, mappings: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        {key.lower(): one[key], "username": one["username"], "groups": list(one["groups"])}
        for one in mappings
    ]
    return yaml.safe_dump(rows, sort_keys=False)
