"""The component eks:index:Cluster.

Facts from pulumi-eks 4.4 (cluster/cluster.ts, cluster/storageclass.ts). Not supported: the default
group of self-managed nodes, which is refused. The real component also waits until the API server
answers, and reads the certificate of the OIDC issuer. The sandbox has no network, so this component
does not wait, and the issuer's thumbprint is a constant.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sandbox.engine.components import (
    Child,
    Component,
    Inputs,
    Value,
    combine,
    merged_tags,
    package_version,
    present,
    refuse,
)
from sandbox.providers.eks import access
from sandbox.providers.eks.addons import VpcCniAddon, create_addon
from sandbox.providers.eks.core import output_of
from sandbox.providers.eks.kubeconfig import as_json, kubeconfig
from sandbox.providers.eks.roles import ServiceRole
from sandbox.providers.eks.security_groups import cluster_security_group, node_security_group

TOKEN = "eks:index:Cluster"
CLUSTER_POLICY = "AmazonEKSClusterPolicy"
AUTO_MODE_POLICIES = (
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
AUTO_NODE_POLICIES = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
INSTANCE_POLICIES = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryReadOnly",
)
FARGATE_POLICY = "AmazonEKSFargatePodExecutionRolePolicy"
AUTO_NODE_POOLS = ("general-purpose", "system")
OIDC_THUMBPRINT = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"
"""SHA-1 thumbprint of the root certificate that the issuers of EKS had for years; AWS no longer
checks it for them (source: IAM guide, "Obtain the thumbprint for an OpenID Connect provider")."""
_IGNORED_CHANGES = [
    "accessConfig.bootstrapClusterCreatorAdminPermissions",
    "bootstrapSelfManagedAddons",
]
_SINGULAR_NODE_OPTIONS = {
    "nodeSubnetIds": "nodeSubnetIds",
    "nodeAssociatePublicIpAddress": "nodeAssociatePublicIpAddress",
    "instanceType": "instanceType",
    "nodePublicKey": "nodePublicKey",
    "nodeRootVolumeEncrypted": "nodeRootVolumeEncrypted",
    "nodeRootVolumeSize": "nodeRootVolumeSize",
    "nodeUserData": "nodeUserData",
    "minSize": "minSize",
    "maxSize": "maxSize",
    "desiredCapacity": "desiredCapacity",
    "nodeAmiId": "amiId",
    "gpu": "gpu",
    "version": "version",
}
_EXCLUSIVE_NODE_OPTIONS = ({*_SINGULAR_NODE_OPTIONS} - {"nodeRootVolumeEncrypted", "version"}) | {
    "instanceProfileName"
}
_FARGATE_SELECTORS = ({"namespace": "default"}, {"namespace": "kube-system"})
_PRIVATE_RANGES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


class Cluster(Component):
    """`eks:index:Cluster`.

    Args:
        name: logical name.
        args: inputs in wire format.
        opts: options of the component.

    Raises:
        InputPropertiesError: inputs that the real component refuses, with its message, and a
            cluster with a default group of self-managed nodes.
    """

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TOKEN, name, opts)
        self.outputs = _ClusterBuilder(self, name, access.checked(_with_profile(args))).build()
        self.register_outputs(self.outputs)


class _ClusterBuilder:
    """Creates the children of one cluster."""

    def __init__(self, component: Cluster, name: str, args: Inputs) -> None:
        _check_inputs(args)
        self.component = component
        self.here = pulumi.ResourceOptions(parent=component)
        self.name = name
        self.args = args
        self.tags = args.get("tags")
        self.mode: str | None = args.get("authenticationMode")
        auto: Mapping[str, Value] = args.get("autoMode") or {}
        self.auto_options = auto
        self.auto = bool(auto.get("enabled"))
        asked = pulumi.runtime.invoke_output(
            "aws:index/getPartition:getPartition", {}, pulumi.InvokeOptions(parent=component)
        )
        self.partition = asked.apply(lambda found: found["partition"])
        self.dns_suffix = asked.apply(lambda found: found["dnsSuffix"])
        self.node_options = _node_group_options(args)

    def build(self) -> dict[str, Value]:
        args = self.args
        vpc_id, subnet_ids = self._network()
        service_role = self._service_role()
        group = self._cluster_security_group(vpc_id)
        auto_node_role = self._auto_node_role()
        cluster = self._cluster(subnet_ids, service_role, group, auto_node_role)
        proxy: Mapping[str, Value] = args.get("kubeProxyAddonOptions") or {}
        if proxy.get("enabled", not self.auto):
            self._addon("kube-proxy", cluster, proxy)
        config = self._kubeconfig(cluster, with_profile=False)
        kubernetes = self._kubernetes_provider(cluster)
        roles, node_arn = self._instance_roles()
        node_access = self._node_access(roles, kubernetes)
        entries, shown_entries = self._access_entries(cluster, node_arn)
        entered = [*entries, *([node_access] if node_access else [])]
        storage = self._storage_classes(kubernetes, entered)
        cni = self._vpc_cni(cluster, kubernetes, entered)
        fargate = self._fargate(cluster, subnet_ids, node_access)
        self._coredns(cluster, fargate)
        oidc = self._oidc_provider(cluster)
        node_group, ingress = self._node_security_group(vpc_id, group, cluster)
        core = {
            "vpcId": vpc_id,
            "subnetIds": subnet_ids,
            "publicSubnetIds": args.get("publicSubnetIds"),
            "privateSubnetIds": args.get("privateSubnetIds"),
            "clusterSecurityGroup": group,
            "cluster": cluster,
            "endpoint": cluster["endpoint"],
            "nodeGroupOptions": present(self.node_options),
            "kubeconfig": config,
            "provider": kubernetes,
            "vpcCni": cni,
            "instanceRoles": roles,
            "eksNodeAccess": node_access,
            "tags": self.tags,
            "nodeSecurityGroupTags": args.get("nodeSecurityGroupTags"),
            "storageClasses": storage,
            "fargateProfile": fargate,
            "oidcProvider": oidc,
            "encryptionConfig": self._encryption(),
            "clusterIamRole": args.get("serviceRole") or (service_role and service_role.role),
            "accessEntries": shown_entries,
            "autoModeNodeRoleName": auto_node_role.role["name"] if auto_node_role else "",
        }
        issuer = cluster["identities"].apply(_issuer)
        own_group_id = cluster["vpcConfig"].apply(lambda vpc: vpc["clusterSecurityGroupId"])
        return present(
            {
                "core": present(core),
                "clusterSecurityGroup": group,
                "eksCluster": cluster,
                "eksClusterIngressRule": ingress,
                "instanceRoles": roles,
                "kubeconfig": config,
                "kubeconfigJson": config.apply(as_json),
                "nodeSecurityGroup": node_group,
                "clusterSecurityGroupId": output_of(group, "id") if group else own_group_id,
                "nodeSecurityGroupId": node_group.id if node_group else own_group_id,
                "clusterIngressRuleId": ingress["securityGroupRuleId"] if ingress else "",
                "defaultNodeGroupAsgName": "",
                "fargateProfileId": fargate.id if fargate else "",
                "fargateProfileStatus": fargate["status"] if fargate else "",
                "oidcProviderArn": oidc["arn"] if oidc else "",
                "oidcProviderUrl": issuer,
                "oidcIssuer": issuer.apply(lambda url: url.replace("https://", "")),
                "autoModeNodeRoleName": core["autoModeNodeRoleName"],
            }
        )

    def _network(self) -> tuple[Value, Value]:
        args = self.args
        vpc_id, subnet_ids = args.get("vpcId"), args.get("subnetIds")
        default: Value = []
        if not vpc_id:
            asked = pulumi.InvokeOptions(parent=self.component)
            found = pulumi.runtime.invoke_output("aws:ec2/getVpc:getVpc", {"default": True}, asked)
            vpc_id = found.apply(lambda one: one["id"])
            filters = [{"name": "vpc-id", "values": [vpc_id]}]
            default = pulumi.runtime.invoke_output(
                "aws:ec2/getSubnets:getSubnets", {"filters": filters}, asked
            ).apply(lambda one: one["ids"])
        if subnet_ids is None:
            public, private = args.get("publicSubnetIds"), args.get("privateSubnetIds")
            if public is not None or private is not None:
                subnet_ids = combine(lambda a, b: [*(a or ()), *(b or ())], public, private)
        return vpc_id, default if subnet_ids is None else subnet_ids

    def _service_role(self) -> ServiceRole | None:
        if self.args.get("serviceRole"):
            return None
        return ServiceRole(
            f"{self.name}-eksRole",
            service="eks.amazonaws.com",
            policies=(CLUSTER_POLICY, *(AUTO_MODE_POLICIES if self.auto else ())),
            partition=self.partition,
            description="Allows EKS to manage clusters on your behalf.",
            actions=("sts:AssumeRole", "sts:TagSession"),
            tags=self.tags,
            opts=self.here,
        )

    def _ec2_role(self, suffix: str, policies: Sequence[str]) -> ServiceRole:
        return ServiceRole(
            f"{self.name}-{suffix}",
            service=self.dns_suffix.apply(lambda dns: f"ec2.{dns}"),
            policies=policies,
            partition=self.partition,
            tags=self.tags,
            opts=self.here,
        )

    def _auto_node_role(self) -> ServiceRole | None:
        if not self.auto or self.auto_options.get("createNodeRole") is False:
            return None
        return self._ec2_role("nodeRole", AUTO_NODE_POLICIES)

    @property
    def _skips_security_groups(self) -> bool:
        given = self.args.get("skipDefaultSecurityGroups")
        return self.auto if given is None else bool(given)

    def _cluster_security_group(self, vpc_id: Value) -> Value:
        given = self.args.get("clusterSecurityGroup")
        if given:
            return given
        if self._skips_security_groups:
            return None
        own = {"Name": f"{self.name}-eksClusterSecurityGroup"}
        tags = merged_tags(own, self.args.get("clusterSecurityGroupTags"), self.tags)
        return cluster_security_group(self.name, self.component, vpc_id=vpc_id, tags=tags)

    def _node_security_group(
        self, vpc_id: Value, group: Value, cluster: Child
    ) -> tuple[Child | None, Child | None]:
        if self._skips_security_groups:
            return None, None
        made, rule = node_security_group(
            self.name,
            self.component,
            vpc_id=vpc_id,
            cluster_group_id=output_of(group, "id"),
            cluster_name=cluster["name"],
            tags=merged_tags(self.args.get("nodeSecurityGroupTags"), self.tags),
        )
        self.node_options |= {"nodeSecurityGroup": made, "clusterIngressRule": rule}
        return made, rule

    def _encryption(self) -> dict[str, Value] | None:
        key = self.args.get("encryptionConfigKeyArn")
        return {"provider": {"keyArn": key}, "resources": ["secrets"]} if key else None

    def _network_config(self) -> Value:
        services = self.args.get("kubernetesServiceIpAddressRange")
        family = self.args.get("ipFamily")
        if not (services or family or self.auto):
            return None

        def config(block: str | None, given: str | None) -> dict[str, Value]:
            chosen = given or "ipv4"
            balancing = {"enabled": True} if self.auto else None
            return present(
                {
                    "serviceIpv4Cidr": block if chosen == "ipv4" else None,
                    "ipFamily": chosen,
                    "elasticLoadBalancing": balancing,
                }
            )

        return combine(config, services, family)

    def _compute_config(self, role: ServiceRole | None) -> Value:
        if not self.auto:
            return None

        def config(given: Mapping[str, Any] | None, role_arn: str | None) -> dict[str, Any]:
            own = {"enabled": True, "nodeRoleArn": role_arn, "nodePools": list(AUTO_NODE_POOLS)}
            return present({**own, **(given or {})})

        return combine(
            config, self.auto_options.get("computeConfig"), role.role["arn"] if role else None
        )

    def _cluster(
        self, subnet_ids: Value, role: ServiceRole | None, group: Value, nodes: ServiceRole | None
    ) -> Child:
        args = self.args
        compute, network = self._compute_config(nodes), self._network_config()
        storage: Value = {"blockStorage": {"enabled": True}} if self.auto else None
        if self.auto:
            # AWS requires Auto Mode's three parts together: none is known before the others are.
            both = pulumi.Output.all(compute, network)
            compute, network = both.apply(lambda two: two[0]), both.apply(lambda two: two[1])
            storage = both.apply(lambda _: {"blockStorage": {"enabled": True}})
        given_role = args.get("serviceRole")
        role_arn = (
            pulumi.Output.from_input(given_role).apply(lambda one: output_of(one, "arn"))
            if role is None
            else role.role["arn"]
        )
        bootstrap = args.get("bootstrapSelfManagedAddons")
        access_config = {
            "authenticationMode": self.mode,
            "bootstrapClusterCreatorAdminPermissions": True,
        }
        depends_on = [*(role.complete if role else ()), *(nodes.complete if nodes else ())]
        return Child(
            "aws:eks/cluster:Cluster",
            f"{self.name}-eksCluster",
            {
                "name": args.get("name"),
                "roleArn": role_arn,
                "computeConfig": compute,
                "storageConfig": storage,
                "kubernetesNetworkConfig": network,
                "bootstrapSelfManagedAddons": (
                    False if self.auto else True if bootstrap is None else bootstrap
                ),
                "vpcConfig": self._vpc_config(subnet_ids, group),
                "version": args.get("version"),
                "enabledClusterLogTypes": args.get("enabledClusterLogTypes"),
                "tags": merged_tags(
                    {"Name": f"{self.name}-eksCluster"}, args.get("clusterTags"), self.tags
                ),
                "encryptionConfig": self._encryption(),
                "accessConfig": access_config if self.mode else None,
                "upgradePolicy": args.get("upgradePolicy"),
                "deletionProtection": args.get("deletionProtection"),
            },
            pulumi.ResourceOptions(
                parent=self.component, depends_on=depends_on, ignore_changes=_IGNORED_CHANGES
            ),
            (
                "arn",
                "certificateAuthority",
                "endpoint",
                "identities",
                "name",
                "version",
                "vpcConfig",
                "accessConfig",
            ),
        )

    def _vpc_config(self, subnet_ids: Value, group: Value) -> dict[str, Value]:
        public = self.args.get("endpointPublicAccess")
        cidrs = self.args.get("publicAccessCidrs")

        def checked(blocks: Sequence[str], is_public: bool | None) -> Sequence[str]:
            if is_public is False and blocks:
                refuse("`publicAccessCidrs` can only be set when `endpointPublicAccess` is true")
            return blocks

        return present(
            {
                "securityGroupIds": [output_of(group, "id")] if group else None,
                "subnetIds": subnet_ids,
                "endpointPrivateAccess": self.args.get("endpointPrivateAccess"),
                "endpointPublicAccess": public,
                "publicAccessCidrs": combine(checked, cidrs, public) if cidrs else None,
            }
        )

    def _kubeconfig(self, cluster: Child, *, with_profile: bool) -> pulumi.Output[dict[str, Any]]:
        creation_role: Mapping[str, Value] = self.args.get("creationRoleProvider") or {}
        role = creation_role.get("role")
        options = self.args.get("providerCredentialOpts")
        if role is not None:
            arn = pulumi.Output.from_input(role).apply(lambda one: output_of(one, "arn"))
            options = {"roleArn": arn}

        def config(parts: Sequence[Any]) -> dict[str, Any]:
            cluster_name, endpoint, certificate, arn, _ = parts
            given: Mapping[str, str] = parts[-1] or {}
            return kubeconfig(
                cluster_name=cluster_name,
                endpoint=endpoint,
                certificate_authority=certificate["data"],
                region=arn.split(":")[3],
                role_arn=given.get("roleArn"),
                profile=given.get("profileName") if with_profile else None,
            )

        parts = [cluster[key] for key in ("name", "endpoint", "certificateAuthority", "arn")]
        return pulumi.Output.all(*parts, options).apply(config)

    def _kubernetes_provider(self, cluster: Child) -> pulumi.ProviderResource:
        config = self._kubeconfig(cluster, with_profile=True).apply(as_json)
        mutable = self.args.get("enableConfigMapMutable")
        # A provider's inputs are serialized as strings.
        flag = None if mutable is None else pulumi.Output.json_dumps(mutable)
        return pulumi.ProviderResource(
            "kubernetes",
            f"{self.name}-eks-k8s",
            present({"kubeconfig": config, "enableConfigMapMutable": flag}),
            pulumi.ResourceOptions(parent=self.component, version=package_version("kubernetes")),
        )

    def _instance_roles(self) -> tuple[Value, Value]:
        """The roles of nodes, and the ARN of the default one or None."""
        args = self.args
        skips_nodes = bool(args.get("skipDefaultNodeGroup"))
        create = args.get("createInstanceRole")
        if args.get("instanceRoles") is not None:
            return args["instanceRoles"], None
        given = args.get("instanceRole")
        if given:
            arn = pulumi.Output.from_input(given).apply(lambda one: output_of(one, "arn"))
            return [given], arn
        if not (create or (create is None and not skips_nodes)):
            return [], None
        role = self._ec2_role("instanceRole", INSTANCE_POLICIES)
        self.node_options["instanceProfile"] = self._instance_profile(role.resolved_role)
        return [role.resolved_role], role.resolved_arn

    def _instance_profile(self, role: Value) -> Child:
        kind, name = "aws:iam/instanceProfile:InstanceProfile", f"{self.name}-instanceProfile"
        existing = self.args.get("instanceProfileName") or self.node_options.get(
            "instanceProfileName"
        )
        if existing:
            opts = pulumi.ResourceOptions(parent=self.component, id=existing)
            return Child(kind, name, {}, opts)
        return Child(kind, name, {"role": role}, self.here)

    def _node_access(self, roles: Value, kubernetes: pulumi.ProviderResource) -> Child | None:
        if not access.supports_config_map(self.mode):
            return None
        arns = pulumi.Output.from_input(roles).apply(
            lambda all_: pulumi.Output.all(*(output_of(role, "arn") for role in all_))
        )
        data = access.aws_auth_data(
            arns, self.args.get("roleMappings"), self.args.get("userMappings")
        )
        return Child(
            "kubernetes:core/v1:ConfigMap",
            f"{self.name}-nodeAccess",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "immutable": False,
                "metadata": {
                    "name": "aws-auth",
                    "namespace": "kube-system",
                    "annotations": {"pulumi.com/patchForce": "true"},
                },
                "data": data,
            },
            pulumi.ResourceOptions(parent=self.component, provider=kubernetes),
        )

    def _access_entries(
        self, cluster: Child, node_arn: Value
    ) -> tuple[list[Child], list[Mapping[str, Value]]]:
        if not access.supports_access_entries(self.mode):
            return [], []
        given: Mapping[str, Mapping[str, Value]] = self.args.get("accessEntries") or {}
        entries: dict[str, Mapping[str, Value]] = dict(given)
        if node_arn is not None:
            nodes = {"principalArn": node_arn, "type": "EC2_LINUX"}
            entries = {"defaultNodeGroupInstanceRole": nodes, **given}
        opts = pulumi.ResourceOptions(parent=self.component, depends_on=[cluster])
        made = access.create_access_entries(self.name, cluster["name"], entries, opts)
        return made, list(entries.values())

    def _storage_classes(
        self, kubernetes: pulumi.ProviderResource, entered: Sequence[pulumi.Resource]
    ) -> dict[str, Child]:
        given = self.args.get("storageClasses")
        wanted: Mapping[str, Mapping[str, Value]] = (
            {given: {"type": given, "default": True}} if isinstance(given, str) else given or {}
        )
        opts = pulumi.ResourceOptions(
            parent=self.component, provider=kubernetes, depends_on=list(entered)
        )
        return {
            key: _storage_class(f"{self.name.lower()}-{key}", one, opts)
            for key, one in wanted.items()
        }

    def _vpc_cni(
        self,
        cluster: Child,
        kubernetes: pulumi.ProviderResource,
        entered: Sequence[pulumi.Resource],
    ) -> VpcCniAddon | None:
        default = self.args.get("useDefaultVpcCni")
        if self.auto if default is None else default:
            return None
        options: Mapping[str, Value] = self.args.get("vpcCniOptions") or {}
        own = {"clusterName": cluster["name"], "clusterVersion": cluster["version"]}
        return VpcCniAddon(
            f"{self.name}-vpc-cni",
            present({**options, **own, "tags": self.tags}),
            pulumi.ResourceOptions(
                parent=self.component,
                depends_on=list(entered),
                providers={"kubernetes": kubernetes},
            ),
        )

    def _addon(
        self, addon: str, cluster: Child, options: Inputs, after: Sequence[Child] = ()
    ) -> None:
        create_addon(
            self.component,
            self.name,
            addon=addon,
            cluster=cluster,
            options=options,
            tags=self.tags,
            after=after,
        )

    def _coredns(self, cluster: Child, fargate: Child | None) -> None:
        options: dict[str, Value] = dict(self.args.get("corednsAddonOptions") or {})
        explicit = options.get("enabled") is True or options.get("configurationValues")
        # Its pods require nodes: the default ones, Fargate's or Auto Mode's.
        has_nodes = fargate or not self.args.get("skipDefaultNodeGroup") or self.auto
        if not explicit and not (has_nodes and options.get("enabled", True)):
            return
        if fargate:
            values = options.get("configurationValues")
            options["configurationValues"] = merged_tags({"computeType": "Fargate"}, values)
        self._addon("coredns", cluster, options, [fargate] if fargate else [])

    def _fargate(
        self, cluster: Child, subnet_ids: Value, node_access: Child | None
    ) -> Child | None:
        given = self.args.get("fargate")
        if not given:
            return None
        fargate: Mapping[str, Value] = {} if given is True else given
        role_arn = fargate.get("podExecutionRoleArn")
        if not role_arn:
            role_arn = ServiceRole(
                f"{self.name}-podExecutionRole",
                service="eks-fargate-pods.amazonaws.com",
                policies=(FARGATE_POLICY,),
                partition=self.partition,
                tags=self.tags,
                opts=self.here,
            ).resolved_arn
        subnets = pulumi.Output.from_input(fargate.get("subnetIds") or subnet_ids)
        return Child(
            "aws:eks/fargateProfile:FargateProfile",
            fargate_profile_name(self.name),
            {
                "clusterName": cluster["name"],
                "podExecutionRoleArn": role_arn,
                "selectors": fargate.get("selectors") or list(_FARGATE_SELECTORS),
                "subnetIds": subnets.apply(self._worker_subnets),
            },
            pulumi.ResourceOptions(
                parent=self.component, depends_on=[node_access] if node_access else []
            ),
            ("status",),
        )

    async def _worker_subnets(self, subnet_ids: Sequence[str]) -> list[str]:
        """The private subnets of a list, or all of them if they are all public."""
        private = [one for one in subnet_ids if not await self._is_public(one)]
        return private or list(subnet_ids)

    async def _is_public(self, subnet_id: str) -> bool:
        table = await pulumi.runtime.invoke_async(
            "aws:ec2/getRouteTable:getRouteTable",
            {"subnetId": subnet_id},
            pulumi.InvokeOptions(parent=self.component),
        )
        routes: Sequence[Mapping[str, Any]] = table.get("routes") or ()
        return any(
            route.get("gatewayId") and route.get("cidrBlock") not in _PRIVATE_RANGES
            for route in routes
        )

    def _oidc_provider(self, cluster: Child) -> Child | None:
        if not self.args.get("createOidcProvider"):
            return None
        return Child(
            "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
            f"{self.name}-oidcProvider",
            {
                "clientIdLists": ["sts.amazonaws.com"],
                "url": cluster["identities"].apply(_issuer),
                "thumbprintLists": [OIDC_THUMBPRINT],
            },
            self.here,
            ("arn",),
        )


def fargate_profile_name(name: str) -> str:
    """Logical name of a cluster's Fargate profile.

    Args:
        name: logical name of the cluster component.

    Returns:
        The name; the prefix "eks" is reserved by AWS, so such a name is changed.
    """
    if name == "eks" or name.lower().startswith("eks-"):
        return f"{name.replace('-', '_', 1)}fargateProfile"
    return f"{name}-fargateProfile"


def _with_profile(args: Inputs) -> Inputs:
    """The inputs, with the current AWS profile as credential option unless one is set."""
    profile = os.environ.get("AWS_PROFILE") or pulumi.Config("aws").get("profile")
    if args.get("providerCredentialOpts") or not profile:
        return args
    return {**args, "providerCredentialOpts": {"profileName": profile}}


def _check_inputs(args: Inputs) -> None:
    creation_role: Mapping[str, Value] = args.get("creationRoleProvider") or {}
    if creation_role.get("provider"):
        refuse(
            "The `creationRoleProvider.provider` option is not supported in non-nodejs Pulumi "
            "programs. Please use the `providerCredentialOpts` option instead."
        )
    if args.get("instanceRole") and args.get("instanceRoles"):
        refuse("instanceRole and instanceRoles are mutually exclusive, and cannot both be set.")
    if args.get("subnetIds") and (args.get("publicSubnetIds") or args.get("privateSubnetIds")):
        refuse(
            "subnetIds, and the use of publicSubnetIds and/or privateSubnetIds are mutually "
            "exclusive. Choose a single approach."
        )
    if args.get("nodeGroupOptions") and any(args.get(key) for key in _EXCLUSIVE_NODE_OPTIONS):
        refuse(
            "Setting nodeGroupOptions, and any set of singular node group option(s) on the "
            "cluster, is mutually exclusive. Choose a single approach."
        )
    auto_mode: Mapping[str, Value] = args.get("autoMode") or {}
    auto = bool(auto_mode.get("enabled"))
    if auto and not access.supports_access_entries(args.get("authenticationMode")):
        refuse(
            "Access entries are required when using EKS Auto Mode. Use the authentication mode "
            "'API' or 'API_AND_CONFIG_MAP'."
        )
    if not (auto or args.get("skipDefaultNodeGroup") or args.get("fargate")):
        refuse(
            "The sandbox's eks creates no default group of self-managed nodes. Set "
            "skipDefaultNodeGroup and use a ManagedNodeGroup, or autoMode, or fargate."
        )


def _node_group_options(args: Inputs) -> dict[str, Value]:
    given: Mapping[str, Value] = args.get("nodeGroupOptions") or {}
    if given:
        return dict(given)
    return {theirs: args.get(ours) for ours, theirs in _SINGULAR_NODE_OPTIONS.items()}


def _issuer(identities: Sequence[Mapping[str, Any]] | None) -> str:
    oidcs = identities[0].get("oidcs") if identities else None
    return oidcs[0]["issuer"] if oidcs else ""


def _storage_class(name: str, given: Mapping[str, Value], opts: pulumi.ResourceOptions) -> Child:
    def metadata(own: Mapping[str, Any] | None, is_default: bool | None) -> dict[str, Any]:
        mark = {"storageclass.kubernetes.io/is-default-class": "true"} if is_default else {}
        given: Mapping[str, str] = (own or {}).get("annotations") or {}
        annotations = {**given, **mark}
        return {**(own or {}), **({"annotations": annotations} if annotations else {})}

    def text(value: Value) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    parameters = {
        "type": given.get("type"),
        "zones": combine(", ".join, given["zones"]) if given.get("zones") else None,
        **{
            key: combine(text, given[key])
            for key in ("iopsPerGb", "encrypted", "kmsKeyId")
            if given.get(key)
        },
    }
    return Child(
        "kubernetes:storage.k8s.io/v1:StorageClass",
        name,
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": combine(metadata, given.get("metadata"), given.get("default")),
            "provisioner": "kubernetes.io/aws-ebs",
            "parameters": present(parameters),
            "allowVolumeExpansion": given.get("allowVolumeExpansion"),
            "mountOptions": given.get("mountOptions"),
            "reclaimPolicy": given.get("reclaimPolicy"),
            "volumeBindingMode": given.get("volumeBindingMode"),
        },
        opts,
    )
