"""The component eks:index:ManagedNodeGroup.

Facts from pulumi-eks 4.4 (nodes/nodegroup.ts, nodes/ami.ts). Not supported: node groups for which
the component generates user data; they are refused.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.errors import InputPropertyErrorDetails

from sandbox.engine.components import Child, Component, Inputs, Value, combine, present
from sandbox.providers.eks.access import supports_access_entries
from sandbox.providers.eks.core import Core, core_of, output_of

TOKEN = "eks:index:ManagedNodeGroup"
_INVALID = "The input properties for the managed node group are invalid."
_PASSED = (
    "amiType",
    "capacityType",
    "diskSize",
    "forceUpdateVersion",
    "instanceTypes",
    "labels",
    "nodeGroupName",
    "nodeGroupNamePrefix",
    "releaseVersion",
    "remoteAccess",
    "tags",
    "taints",
    "version",
)
_USER_DATA_ARGS = (
    "bootstrapExtraArgs",
    "kubeletExtraArgs",
    "bottlerocketSettings",
    "nodeadmExtraOptions",
)
_LAUNCH_TEMPLATE_ARGS = (
    *_USER_DATA_ARGS,
    "enableIMDSv2",
    "userData",
    "amiId",
    "enableEfaSupport",
)
_DEFAULT_SCALING = {"desiredSize": 2, "minSize": 1, "maxSize": 2}
_INSTANCE_TYPE = re.compile(r"([a-z]+)([0-9]+)([a-z])?-?([a-z]+)?\.([a-zA-Z0-9-]+)")
_AMI_TYPES = {
    # (operating system, GPU, Graviton) → AMI type of the EKS API.
    ("AL2", False, False): "AL2_x86_64",
    ("AL2", True, False): "AL2_x86_64_GPU",
    ("AL2", False, True): "AL2_ARM_64",
    ("AL2023", False, False): "AL2023_x86_64_STANDARD",
    ("AL2023", False, True): "AL2023_ARM_64_STANDARD",
    ("AL2023", True, False): "AL2023_x86_64_NVIDIA",
    ("Bottlerocket", False, True): "BOTTLEROCKET_ARM_64",
    ("Bottlerocket", False, False): "BOTTLEROCKET_x86_64",
    ("Bottlerocket", True, True): "BOTTLEROCKET_ARM_64_NVIDIA",
    ("Bottlerocket", True, False): "BOTTLEROCKET_x86_64_NVIDIA",
}
_ROOT_DEVICE, _BOTTLEROCKET_DATA_DEVICE = "/dev/xvda", "/dev/xvdb"


class ManagedNodeGroup(Component):
    """`eks:index:ManagedNodeGroup`.

    Args:
        name: logical name, of the component and of the node group.
        args: inputs in wire format.
        opts: options of the component.

    Raises:
        InputPropertiesError: with all inputs that the real component refuses, in its wording.
    """

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TOKEN, name, opts)
        _check(args)
        core = core_of(args.get("cluster"))
        version = args.get("version")
        if not version and not args.get("launchTemplate"):
            version = core.cluster_output("version")
        role_arn = _role_arn(args, core)
        template = self._launch_template(name, args)
        passed = {**{key: args.get(key) for key in _PASSED}, "version": version}
        if args.get("amiType") is None and args.get("operatingSystem") is not None:
            passed["amiType"] = combine(
                ami_type, args["operatingSystem"], args.get("gpu"), args.get("instanceTypes")
            )
        if template is not None:
            passed["diskSize"] = None
        if args.get("amiId") or args.get("userData"):
            passed |= {"version": None, "releaseVersion": None, "amiType": None}
        node_group = Child(
            "aws:eks/nodeGroup:NodeGroup",
            name,
            {
                **passed,
                "clusterName": args.get("clusterName") or core.cluster_output("name"),
                "nodeRoleArn": role_arn,
                "scalingConfig": combine(_scaling, args.get("scalingConfig")),
                "subnetIds": args.get("subnetIds") or _subnet_ids(core),
                "launchTemplate": _template_reference(template) or args.get("launchTemplate"),
            },
            pulumi.ResourceOptions(
                parent=self,
                depends_on=core.get("eksNodeAccess").apply(lambda one: [one] if one else []),
                ignore_changes=(
                    ["scalingConfig.desiredSize"] if args.get("ignoreScalingChanges") else None
                ),
            ),
        )
        self.outputs = {"nodeGroup": node_group, "placementGroupName": ""}
        self.register_outputs(self.outputs)

    def _launch_template(self, name: str, args: Inputs) -> Child | None:
        if all(args.get(key) is None for key in _LAUNCH_TEMPLATE_ARGS):
            return None
        imds = args.get("enableIMDSv2")
        metadata = {
            "httpTokens": "required" if imds else "optional",
            "httpPutResponseHopLimit": 2,
            "httpEndpoint": "enabled",
        }
        disk = args.get("diskSize")
        volume = {"deviceName": combine(_device, args.get("operatingSystem"), args.get("amiType"))}
        return Child(
            "aws:ec2/launchTemplate:LaunchTemplate",
            f"{name}-launchTemplate",
            {
                "blockDeviceMappings": [{**volume, "ebs": {"volumeSize": disk}}] if disk else None,
                "userData": combine(_base64, args.get("userData")),
                "metadataOptions": None if imds is None else metadata,
                "imageId": args.get("amiId"),
            },
            pulumi.ResourceOptions(parent=self),
            ("latestVersion",),
        )


def _check(args: Inputs) -> None:
    """Refuses inputs that exclude one another, with all errors in one exception."""
    errors: list[tuple[str, str]] = []
    if args.get("nodeRole") and args.get("nodeRoleArn"):
        errors.append(
            (
                "nodeRole",
                "You cannot specify both nodeRole and nodeRoleArn when creating a managed node "
                "group.",
            )
        )
    errors += [
        (
            "amiId",
            f"You cannot specify both amiId and {key} when creating a managed node group.",
        )
        for key in ("gpu", "amiType")
        if args.get("amiId") and args.get(key)
    ]
    if not args.get("nodeRole") and not args.get("nodeRoleArn"):
        errors.append(
            (
                "nodeRole",
                "An IAM role, or role ARN must be provided to create a managed node group",
            )
        )
        _refuse_all(errors)
    if args.get("enableEfaSupport") and not args.get("placementGroupAvailabilityZone"):
        errors.append(
            (
                "enableEfaSupport",
                "You must specify placementGroupAvailabilityZone when enabling EFA support.",
            )
        )
    if args.get("launchTemplate") and any(args.get(k) is not None for k in _LAUNCH_TEMPLATE_ARGS):
        errors.append(
            (
                "launchTemplate",
                "If you provide a custom launch template, you cannot provide any of "
                f"{', '.join(_LAUNCH_TEMPLATE_ARGS)}. Please include these in the launch template "
                "that you are providing.",
            )
        )
    if args.get("userData") and any(args.get(key) is not None for key in _USER_DATA_ARGS):
        errors.append(
            (
                "userData",
                "If you provide custom userData, you cannot provide any of "
                f"{', '.join(_USER_DATA_ARGS)}. Please include these in the userData that you are "
                "providing.",
            )
        )
    _refuse_all(errors or list(_beyond_sandbox(args)))


def _beyond_sandbox(args: Inputs) -> Sequence[tuple[str, str]]:
    """Errors for inputs that the real component supports and this one does not."""
    reason = "The sandbox's eks does not write user data; try this on AWS."
    written = [key for key in (*_USER_DATA_ARGS, "enableEfaSupport") if args.get(key) is not None]
    errors = [(key, reason) for key in written]
    if args.get("amiId") and not args.get("userData"):
        errors.append(("amiId", f"{reason} Or set userData too."))
    if args.get("userData") and not args.get("amiId"):
        errors.append(("userData", "The sandbox's eks does not look up images; set amiId too."))
    return errors


def _refuse_all(errors: Sequence[tuple[str, str]]) -> None:
    if errors:
        details = [
            InputPropertyErrorDetails(property_path=path, reason=reason) for path, reason in errors
        ]
        raise pulumi.InputPropertiesError(_INVALID, details)


def _role_arn(args: Inputs, core: Core) -> Value:
    """The nodes' role; without access entries the cluster must already have it."""
    arn = args.get("nodeRoleArn") or pulumi.Output.from_input(args["nodeRole"]).apply(
        lambda role: output_of(role, "arn")
    )
    known = core.get("instanceRoles").apply(
        lambda roles: pulumi.Output.all(*(output_of(role, "arn") for role in roles or ()))
    )

    def mode_of(config: Mapping[str, str] | None) -> str | None:
        return None if config is None else config.get("authenticationMode")

    mode = core.cluster_output("accessConfig").apply(mode_of)

    def check(own: str, arns: Sequence[str], authentication_mode: str | None) -> str:
        if not supports_access_entries(authentication_mode) and own not in arns:
            raise pulumi.InputPropertyError(
                "nodeRole",
                "A managed node group cannot be created without first setting its role in the "
                "cluster's instanceRoles",
            )
        return own

    return pulumi.Output.all(arn, known, mode).apply(lambda all_: check(*all_))


def _subnet_ids(core: Core) -> pulumi.Output[Any]:
    def first(lists: Sequence[Sequence[str] | None]) -> Sequence[str]:
        return next((one for one in lists if one is not None), ())

    keys = ("subnetIds", "privateSubnetIds", "publicSubnetIds")
    return pulumi.Output.all(*(core.get(key) for key in keys)).apply(first)


def _scaling(config: Mapping[str, Any] | None) -> dict[str, Any]:
    given = present(config or {})
    return {key: given.get(key, default) for key, default in _DEFAULT_SCALING.items()}


def _template_reference(template: Child | None) -> dict[str, Value] | None:
    if template is None:
        return None
    version = template["latestVersion"].apply(lambda one: None if one is None else str(one))
    return {"id": template.id, "version": version}


def _device(system: str | None, type_of_ami: str | None) -> str:
    bottlerocket = system == "Bottlerocket" or (type_of_ami or "").startswith("BOTTLEROCKET")
    return _BOTTLEROCKET_DATA_DEVICE if bottlerocket else _ROOT_DEVICE


def _base64(user_data: str | None) -> str | None:
    return None if user_data is None else base64.b64encode(user_data.encode()).decode()


def ami_type(system: str, gpu: bool | None, instance_types: Sequence[str] | None) -> str:
    """The AMI type for an operating system on given instance types.

    Args:
        system: AL2, AL2023 or Bottlerocket.
        gpu: whether GPUs are used.
        instance_types: the nodes' instance types; without any, x86-64 is assumed.

    Returns:
        AMI type of the EKS API.

    Raises:
        InputPropertyError: an instance type is malformed, the types mix architectures, or there is
            no such AMI.
    """
    graviton = {_is_graviton(one) for one in instance_types or ()}
    if len(graviton) > 1:
        raise pulumi.InputPropertyError(
            "instanceTypes",
            "Cannot determine architecture of instance types. The provided instance types do not "
            "share a common architecture",
        )
    key = (system, bool(gpu), graviton == {True})
    if key not in _AMI_TYPES:
        architecture = "arm64" if key[2] else "x86_64"
        raise pulumi.InputPropertyError(
            "operatingSystem",
            f"No AMI type found for OS: {system}, GPU support: {str(bool(gpu)).lower()}, "
            f"architecture: {architecture}",
        )
    return _AMI_TYPES[key]


def _is_graviton(instance_type: str) -> bool:
    match = _INSTANCE_TYPE.match(instance_type)
    if match is None:
        raise pulumi.InputPropertyError(
            "instanceTypes", f"Invalid EC2 instance type: {instance_type}"
        )
    return match[3] == "g"
