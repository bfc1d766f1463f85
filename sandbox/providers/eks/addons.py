"""EKS add-ons: the components eks:index:VpcCniAddon and eks:index:Addon.

Facts from pulumi-eks 4.4 (addons/cni-addon.ts, addons/addon.ts).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sandbox.engine.components import Child, Component, Inputs, Value, combine, present, refuse
from sandbox.providers.eks.core import ReferencedCluster, core_of

CNI_TOKEN = "eks:index:VpcCniAddon"
ADDON_TOKEN = "eks:index:Addon"
_OVERWRITE = "OVERWRITE"
# Environment of the CNI's container: input → (variable, default). Without a default the variable
# is left out; false and 0 count as not set, as in the real component.
_ENV: Mapping[str, tuple[str, str | None]] = {
    "nodePortSupport": ("AWS_VPC_CNI_NODE_PORT_SUPPORT", None),
    "customNetworkConfig": ("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", None),
    "warmIpTarget": ("WARM_IP_TARGET", None),
    "warmPrefixTarget": ("WARM_PREFIX_TARGET", None),
    "enablePrefixDelegation": ("ENABLE_PREFIX_DELEGATION", None),
    "logLevel": ("AWS_VPC_K8S_CNI_LOGLEVEL", "DEBUG"),
    "logFile": ("AWS_VPC_K8S_CNI_LOG_FILE", "/host/var/log/aws-routed-eni/ipamd.log"),
    "vethPrefix": ("AWS_VPC_K8S_CNI_VETHPREFIX", "eni"),
    "eniMtu": ("AWS_VPC_ENI_MTU", "9001"),
    "eniConfigLabelDef": ("ENI_CONFIG_LABEL_DEF", None),
    "pluginLogLevel": ("AWS_VPC_K8S_PLUGIN_LOG_LEVEL", "DEBUG"),
    "pluginLogFile": ("AWS_VPC_K8S_PLUGIN_LOG_FILE", "/var/log/aws-routed-eni/plugin.log"),
    "enablePodEni": ("ENABLE_POD_ENI", "false"),
    "cniConfigureRpfilter": ("AWS_VPC_K8S_CNI_CONFIGURE_RPFILTER", None),
    "cniCustomNetworkCfg": ("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "false"),
    "externalSnat": ("AWS_VPC_K8S_CNI_EXTERNALSNAT", None),
    "cniExternalSnat": ("AWS_VPC_K8S_CNI_EXTERNALSNAT", None),
}
_CNI_SETTINGS = (
    "configurationValues",
    "disableTcpEarlyDemux",
    "enableNetworkPolicy",
    "warmEniTarget",
)
_ADDON_PASSED = (
    "addonName",
    "addonVersion",
    "preserve",
    "resolveConflictsOnCreate",
    "resolveConflictsOnUpdate",
    "serviceAccountRoleArn",
    "tags",
)


class VpcCniAddon(Component):
    """`eks:index:VpcCniAddon`: the add-on vpc-cni with its settings as configuration values.

    Args:
        name: logical name, of the component and of the add-on.
        args: inputs in wire format.
        opts: options of the component.

    Raises:
        InputPropertiesError: neither the add-on's nor the cluster's version is given, or both
            spellings of the external SNAT.
    """

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(CNI_TOKEN, name, opts)
        if args.get("clusterName") is None:
            refuse("Missing required option 'clusterName'")
        if args.get("cniExternalSnat") and args.get("externalSnat"):
            refuse(
                "Please specify one of `cniExternalSnat` or `externalSnat` in your VpcCniOptions"
            )
        version = args.get("addonVersion")
        if not version:
            if args.get("clusterVersion") is None:
                refuse(
                    "You need to specify either `addonVersion` or `clusterVersion` to determine "
                    "the version of the vpc-cni addon to use."
                )
            version = newest_version("vpc-cni", args["clusterVersion"], self)
        addon = Child(
            "aws:eks/addon:Addon",
            name,
            {
                "clusterName": args["clusterName"],
                "addonVersion": version,
                "addonName": "vpc-cni",
                "resolveConflictsOnCreate": args.get("resolveConflictsOnCreate") or _OVERWRITE,
                "resolveConflictsOnUpdate": args.get("resolveConflictsOnUpdate") or _OVERWRITE,
                "preserve": True,
                "configurationValues": combine(_cni_configuration, _cni_settings(args)),
                "serviceAccountRoleArn": args.get("serviceAccountRoleArn"),
                "tags": args.get("tags"),
            },
            pulumi.ResourceOptions(parent=self),
        )
        if args.get("securityContextPrivileged"):
            self._patch_daemon_set(name, addon, args["securityContextPrivileged"])
        self.outputs = {"addon": addon}
        self.register_outputs(self.outputs)

    def _patch_daemon_set(self, name: str, addon: Child, privileged: Value) -> None:
        container = {"name": "aws-node", "securityContext": {"privileged": privileged}}
        Child(
            "kubernetes:apps/v1:DaemonSetPatch",
            name,
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {
                    "name": "aws-node",
                    "namespace": "kube-system",
                    "annotations": {"pulumi.com/patchForce": "true"},
                },
                "spec": {"template": {"spec": {"containers": [container]}}},
            },
            pulumi.ResourceOptions(parent=self, depends_on=[addon], retain_on_delete=True),
        )


class Addon(Component):
    """`eks:index:Addon`: one add-on of a cluster that this package created.

    Args:
        name: logical name, of the component and of the add-on.
        args: inputs in wire format.
        opts: options of the component.
    """

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions | None = None) -> None:
        cluster = args.get("cluster")
        if cluster is None:
            refuse("Missing required option 'cluster'")
        # The real component always uses the cluster as its parent.
        parent = cluster.as_parent if isinstance(cluster, ReferencedCluster) else None
        asked = opts or pulumi.ResourceOptions(protect=False)
        own = pulumi.ResourceOptions(parent=parent)
        super().__init__(ADDON_TOKEN, name, pulumi.ResourceOptions.merge(asked, own))
        addon = Child(
            "aws:eks/addon:Addon",
            name,
            {
                **{key: args.get(key) for key in _ADDON_PASSED},
                "clusterName": core_of(cluster).cluster_output("name"),
                "configurationValues": configuration_values(args.get("configurationValues")),
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.outputs = {"addon": addon}
        self.register_outputs({})


def create_addon(
    component: Component,
    name: str,
    *,
    addon: str,
    cluster: Child,
    options: Inputs,
    tags: Value,
    after: Sequence[pulumi.Resource] = (),
) -> Child:
    """Creates one of the cluster's own add-ons: kube-proxy or coredns.

    Args:
        component: the cluster component, the add-on's parent.
        name: logical name of that component.
        addon: name of the add-on.
        cluster: the EKS cluster.
        options: the add-on's options in wire format.
        tags: tags of the add-on.
        after: resources that must exist first.

    Returns:
        The add-on, at the newest version for the cluster unless the options set one.
    """
    version = options.get("version") or newest_version(addon, cluster["version"], component)
    return Child(
        "aws:eks/addon:Addon",
        f"{name}-{addon}",
        {
            "clusterName": cluster["name"],
            "addonName": addon,
            "preserve": True,
            "tags": tags,
            "resolveConflictsOnCreate": options.get("resolveConflictsOnCreate") or _OVERWRITE,
            "resolveConflictsOnUpdate": options.get("resolveConflictsOnUpdate") or _OVERWRITE,
            "addonVersion": version,
            "configurationValues": configuration_values(options.get("configurationValues")),
        },
        pulumi.ResourceOptions(parent=component, depends_on=list(after)),
    )


def newest_version(addon: str, kubernetes_version: Value, parent: Component) -> Value:
    """The newest version of an add-on, looked up on AWS.

    Args:
        addon: name of the add-on.
        kubernetes_version: version of the cluster.
        parent: the calling component.

    Returns:
        An output of the version.
    """
    answer = pulumi.runtime.invoke_output(
        "aws:eks/getAddonVersion:getAddonVersion",
        {"addonName": addon, "kubernetesVersion": kubernetes_version, "mostRecent": True},
        pulumi.InvokeOptions(parent=parent),
    )
    return answer.apply(lambda found: found.get("version"))


def configuration_values(values: Value) -> Value:
    """Configuration of an add-on as JSON.

    Args:
        values: any object, or None.

    Returns:
        JSON with sorted keys, or None.
    """
    return None if values is None else combine(_sorted_json, values)


def _sorted_json(values: Mapping[str, Any] | None) -> str | None:
    if values is None:
        return None
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _cni_settings(args: Inputs) -> dict[str, Value]:
    # Only these: with the cluster's name the settings would be unknown in a preview.
    return present({key: args.get(key) for key in (*_ENV, *_CNI_SETTINGS)})


def _cni_configuration(args: Mapping[str, Any]) -> str | None:
    env = {"WARM_ENI_TARGET": _text(args.get("warmEniTarget", 1))}
    for key, (variable, default) in _ENV.items():
        value = args.get(key)
        if value:
            env[variable] = _text(value)
        elif default is not None:
            env[variable] = default
    env.setdefault("AWS_VPC_K8S_CNI_EXTERNALSNAT", "false")
    init_env = {"DISABLE_TCP_EARLY_DEMUX": _text(args.get("disableTcpEarlyDemux") or False)}
    given: dict[str, Any] = dict(args.get("configurationValues") or {})
    init: dict[str, Any] = dict(given.get("init") or {})
    policy = args.get("enableNetworkPolicy")
    merged: dict[str, Any] = {
        **present({"enableNetworkPolicy": None if policy is None else _text(policy)}),
        **given,
        "env": env | (given.get("env") or {}),
        "init": init | {"env": init_env | (init.get("env") or {})},
    }
    return _sorted_json(merged)


def _text(value: Any) -> str:  # noqa: ANN401 -- a flag, a number or a string
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
