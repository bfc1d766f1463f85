"""The sandbox's components of eks compared with records of the real ones, and their rules."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from sandbox.engine.components import Child
from sandbox.providers.eks import cluster as clusters
from sandbox.providers.eks import core
from sandbox.providers.eks.nodes import ami_type
from sandbox.providers.eks.provider import provider
from sandbox.providers.eks.roles import policy_hash
from sandbox.tests.component_recorder import RECORDS, Recording, construct

CLUSTER = "eks:index:Cluster"
NODES = "eks:index:ManagedNodeGroup"
NETWORK: Mapping[str, Any] = {
    "vpcId": "vpc-0123456789abcdef0",
    "privateSubnetIds": ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"],
}
RECORDED: Mapping[str, Any] = {
    **NETWORK,
    "authenticationMode": "API",
    "endpointPrivateAccess": True,
    "endpointPublicAccess": False,
    "version": "1.36",
    "enabledClusterLogTypes": ["api", "audit", "authenticator"],
    "encryptionConfigKeyArn": (
        "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    ),
    "createOidcProvider": False,
}
ADMINS: Mapping[str, Any] = {
    "principalArn": "arn:aws:iam::123456789012:role/admins",
    "accessPolicies": {
        "admin": {
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
            "accessScope": {"type": "cluster"},
        }
    },
}
MANAGED: Mapping[str, Any] = {**NETWORK, "authenticationMode": "API", "skipDefaultNodeGroup": True}
OLD: Mapping[str, Any] = {**NETWORK, "skipDefaultNodeGroup": True}
AUTO: Mapping[str, Any] = {**NETWORK, "authenticationMode": "API", "autoMode": {"enabled": True}}
ROLE_ARN = "arn:aws:iam::123456789012:role/nodes"
GROUP_OF_A_RECORD: Mapping[str, Any] = {
    "amiType": "AL2023_ARM_64_STANDARD",
    "capacityType": "SPOT",
    "instanceTypes": ["m7g.large"],
    "scalingConfig": {"minSize": 2, "maxSize": 6, "desiredSize": 2},
}


@pytest.fixture(autouse=True)
def no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The component uses the AWS profile of the process that runs it."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def cluster(inputs: Mapping[str, Any], **more: Any) -> Recording:
    return construct(provider(), CLUSTER, "fleet", {**inputs, **more})


def nodes(inputs: Mapping[str, Any], of: Mapping[str, Any] = MANAGED) -> Recording:
    def before() -> Mapping[str, Any]:
        return {"cluster": clusters.Cluster("fleet", of).outputs["core"]}

    return construct(provider(), NODES, "workers", inputs, before=before)


def a_role(name: str = "nodes") -> Child:
    return Child(
        "aws:iam/role:Role", name, {"assumeRolePolicy": "{}"}, pulumi.ResourceOptions(), ("arn",)
    )


def of_group(recording: Recording) -> Mapping[str, Any]:
    return recording.inputs(":NodeGroup")["workers"]


def names(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    return [one["name"] for one in resources]


def test_auto_mode_creates_the_resources_of_the_real_component() -> None:
    made = cluster(RECORDED, autoMode={"enabled": True}, accessEntries={"admins": ADMINS})
    record = RECORDS["eks-auto-mode"]
    assert made.resources == record["resources"]
    assert made.outputs == record["outputs"][f"{CLUSTER} fleet"]
    assert made.invokes == record["invokes"]


def test_a_cluster_for_managed_nodes_creates_the_resources_of_the_real_component() -> None:
    made = cluster(RECORDED, skipDefaultNodeGroup=True)
    record = RECORDS["eks-managed-nodes"]
    others = {"aws:iam/role:Role nodes", f"{NODES} workers", "aws:eks/nodeGroup:NodeGroup workers"}
    expected = [r for r in record["resources"] if f"{r['type']} {r['name']}" not in others]
    assert made.resources == expected
    assert made.outputs == record["outputs"][f"{CLUSTER} fleet"]
    assert made.invokes == record["invokes"]


def test_a_managed_node_group_creates_the_resources_of_the_real_component() -> None:
    def before() -> Mapping[str, Any]:
        made = clusters.Cluster("fleet", {**RECORDED, "skipDefaultNodeGroup": True})
        return {"cluster": made.outputs["core"], "nodeRoleArn": a_role()["arn"]}

    made = construct(provider(), NODES, "workers", GROUP_OF_A_RECORD, before=before)
    record = RECORDS["eks-managed-nodes"]
    assert made.resources == record["resources"]
    assert made.outputs == record["outputs"][f"{NODES} workers"]


def test_resources_of_the_program_arrive_as_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_RESOURCE_MODULES", {})
    core.register()

    def before() -> Mapping[str, Any]:
        made = clusters.Cluster("fleet", {**RECORDED, "skipDefaultNodeGroup": True})
        return {"cluster": made, "nodeRole": a_role()}

    made = construct(
        provider(), NODES, "workers", GROUP_OF_A_RECORD, before=before, by_reference=True
    )
    assert made.resources == RECORDS["eks-managed-nodes"]["resources"]


def test_an_add_on_is_a_child_of_the_cluster_that_it_is_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc, "_RESOURCE_MODULES", {})
    core.register()
    made = construct(
        provider(),
        "eks:index:Addon",
        "logs",
        {"addonName": "amazon-cloudwatch-observability"},
        before=lambda: {"cluster": clusters.Cluster("fleet", MANAGED)},
        by_reference=True,
    )
    parents = {one["type"]: one["parent"] for one in made.resources if one["name"] == "logs"}
    assert parents == {
        "eks:index:Addon": "eks:index:Cluster fleet",
        "aws:eks/addon:Addon": "eks:index:Addon logs",
    }


def test_the_profile_in_use_goes_to_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "ops")
    own = cluster(MANAGED).inputs("pulumi:providers:kubernetes")["fleet-eks-k8s"]["kubeconfig"]
    assert '"--profile","ops"' in own


@pytest.mark.parametrize(
    ("policy", "digits"),
    [
        ("AmazonEKSClusterPolicy", "4b490823"),
        ("AmazonEKSWorkerNodeMinimalPolicy", "7b85ae6b"),
        ("AmazonEKS_CNI_Policy", "e1b295bd"),
    ],
)
def test_an_attachment_is_named_by_the_hash_of_its_policys_arn(policy: str, digits: str) -> None:
    assert policy_hash(policy) == digits


def test_another_partition_changes_the_policies_but_not_the_names() -> None:
    made = construct(
        provider(),
        CLUSTER,
        "fleet",
        AUTO,
        functions={
            "aws:index/getPartition:getPartition": {
                "partition": "aws-cn",
                "dnsSuffix": "amazonaws.com.cn",
            }
        },
    )
    attachment = made.inputs(":RolePolicyAttachment")["fleet-eksRole-4b490823"]
    assert attachment["policyArn"] == "arn:aws-cn:iam::aws:policy/AmazonEKSClusterPolicy"
    document = json.loads(made.inputs("/role:Role")["fleet-nodeRole-role"]["assumeRolePolicy"])
    assert document["Statement"][0]["Principal"] == {"Service": ["ec2.amazonaws.com.cn"]}


def test_the_cluster_waits_for_its_roles_and_their_policies() -> None:
    made = cluster(AUTO)
    waits = made.dependencies["aws:eks/cluster:Cluster fleet-eksCluster"]
    assert len([one for one in waits if "RolePolicyAttachment" in one]) == 7
    assert made.ignored["aws:eks/cluster:Cluster fleet-eksCluster"] == [
        "accessConfig.bootstrapClusterCreatorAdminPermissions",
        "bootstrapSelfManagedAddons",
    ]


def test_auto_mode_accepts_node_pools_and_needs_no_node_role() -> None:
    pools = {"nodePools": ["system"], "nodeRoleArn": ROLE_ARN}
    made = cluster(
        AUTO, autoMode={"enabled": True, "createNodeRole": False, "computeConfig": pools}
    )
    assert "fleet-nodeRole" not in names(made.of_type(":ServiceRole"))
    config = made.inputs("/cluster:Cluster")["fleet-eksCluster"]["computeConfig"]
    assert config == {"enabled": True, **pools}
    assert made.outputs["autoModeNodeRoleName"] == ""


def test_auto_mode_without_instance_role_has_neither_profile_nor_entry() -> None:
    made = cluster(AUTO, createInstanceRole=False)
    assert made.of_type(":InstanceProfile") == []
    assert made.of_type(":AccessEntry") == []
    assert made.outputs["instanceRoles"] == []


def test_access_entries_are_named_by_their_keys_and_hold_their_policies() -> None:
    made = cluster(
        AUTO,
        createInstanceRole=False,
        accessEntries={
            "admins": ADMINS,
            "ops": {
                "principalArn": "arn:aws:iam::123456789012:user/ops",
                "username": "ops",
                "kubernetesGroups": ["operators"],
                "tags": {"team": "a"},
            },
        },
    )
    assert made.inputs(":AccessEntry")["fleet-ops"] == {
        "clusterName": "<fleet-eksCluster>",
        "principalArn": "arn:aws:iam::123456789012:user/ops",
        "userName": "ops",
        "kubernetesGroups": ["operators"],
        "tags": {"team": "a"},
    }
    assert names(made.of_type(":AccessPolicyAssociation")) == ["fleet-admins-admin"]
    assert made.dependencies["aws:eks/accessEntry:AccessEntry fleet-ops"] == {
        "aws:eks/cluster:Cluster fleet-eksCluster"
    }


def test_without_a_mode_the_nodes_join_by_the_config_map() -> None:
    def before() -> Mapping[str, Any]:
        return {"instanceRoles": [a_role()]}

    made = construct(provider(), CLUSTER, "fleet", OLD, before=before)
    access = made.inputs("kubernetes:core/v1:ConfigMap")["fleet-nodeAccess"]
    assert access["metadata"]["name"] == "aws-auth"
    assert access["data"]["mapRoles"] == (
        "- rolearn: arn:aws:sim:us-east-1:123456789012:aws:iam/role:Role/<nodes>\n"
        "  username: system:node:{{EC2PrivateDNSName}}\n"
        "  groups:\n"
        "  - system:bootstrappers\n"
        "  - system:nodes\n"
    )
    assert "accessConfig" not in made.inputs("/cluster:Cluster")["fleet-eksCluster"]


def test_tags_go_to_roles_groups_the_cluster_and_add_ons() -> None:
    made = cluster(MANAGED, tags={"team": "a"}, clusterTags={"team": "lost", "tier": "control"})
    tags = {one["name"]: one["inputs"].get("tags") for one in made.resources}
    assert tags["fleet-eksCluster"] == {"Name": "fleet-eksCluster", "team": "a", "tier": "control"}
    assert tags["fleet-eksRole-role"] == tags["fleet-kube-proxy"] == {"team": "a"}
    assert tags["fleet-nodeSecurityGroup"] == {
        "Name": "fleet-nodeSecurityGroup",
        "kubernetes.io/cluster/<fleet-eksCluster>": "owned",
        "team": "a",
    }


@pytest.mark.parametrize(
    ("inputs", "addons"),
    [
        (MANAGED, ["fleet-kube-proxy", "fleet-vpc-cni"]),
        (AUTO, ["fleet-coredns"]),
        ({**AUTO, "corednsAddonOptions": {"enabled": False}}, []),
        ({**MANAGED, "useDefaultVpcCni": True}, ["fleet-kube-proxy"]),
        ({**MANAGED, "kubeProxyAddonOptions": {"enabled": False}}, ["fleet-vpc-cni"]),
        (
            {**MANAGED, "corednsAddonOptions": {"enabled": True}},
            ["fleet-coredns", "fleet-kube-proxy", "fleet-vpc-cni"],
        ),
    ],
)
def test_the_add_ons_depend_on_the_kind_of_nodes(
    inputs: Mapping[str, Any], addons: list[str]
) -> None:
    assert names(cluster(inputs).of_type("/addon:Addon")) == addons


def test_the_version_of_an_add_on_is_asked_for_unless_it_is_given() -> None:
    versions = {"aws:eks/getAddonVersion:getAddonVersion": {"version": "v9"}}
    made = construct(
        provider(),
        CLUSTER,
        "fleet",
        {
            **MANAGED,
            "kubeProxyAddonOptions": {"version": "v1", "configurationValues": {"b": 1, "a": 2}},
        },
        functions=versions,
    )
    addons = made.inputs("/addon:Addon")
    assert addons["fleet-vpc-cni"]["addonVersion"] == "v9"
    assert addons["fleet-kube-proxy"]["addonVersion"] == "v1"
    assert addons["fleet-kube-proxy"]["configurationValues"] == '{"a":2,"b":1}'


def test_the_settings_of_the_cni_become_its_environment() -> None:
    made = cluster(
        MANAGED,
        vpcCniOptions={
            "enablePrefixDelegation": True,
            "warmPrefixTarget": 2,
            "eniMtu": 1500,
            "enableNetworkPolicy": True,
            "configurationValues": {"env": {"WARM_ENI_TARGET": "3"}, "tolerations": []},
        },
    )
    values = json.loads(made.inputs("/addon:Addon")["fleet-vpc-cni"]["configurationValues"])
    assert values["enableNetworkPolicy"] == "true"
    assert values["tolerations"] == []
    assert values["init"] == {"env": {"DISABLE_TCP_EARLY_DEMUX": "false"}}
    assert values["env"]["ENABLE_PREFIX_DELEGATION"] == "true"
    assert values["env"]["WARM_PREFIX_TARGET"] == "2"
    assert values["env"]["AWS_VPC_ENI_MTU"] == "1500"
    assert values["env"]["WARM_ENI_TARGET"] == "3"


def test_a_privileged_cni_is_patched_into_its_daemon_set() -> None:
    made = cluster(MANAGED, vpcCniOptions={"securityContextPrivileged": True})
    patch = made.inputs(":DaemonSetPatch")["fleet-vpc-cni"]
    container = patch["spec"]["template"]["spec"]["containers"][0]
    assert container == {"name": "aws-node", "securityContext": {"privileged": True}}


def test_fargate_runs_in_the_private_subnets_and_coredns_follows_it() -> None:
    routes = {"aws:ec2/getRouteTable:getRouteTable": {"routes": [{"natGatewayId": "nat-1"}]}}
    made = construct(
        provider(),
        CLUSTER,
        "fleet",
        {**NETWORK, "authenticationMode": "API", "fargate": True},
        functions=routes,
    )
    profile = made.inputs(":FargateProfile")["fleet-fargateProfile"]
    assert profile["subnetIds"] == NETWORK["privateSubnetIds"]
    assert profile["selectors"] == [{"namespace": "default"}, {"namespace": "kube-system"}]
    addon = made.inputs("/addon:Addon")["fleet-coredns"]
    assert addon["configurationValues"] == '{"computeType":"Fargate"}'
    assert made.outputs["fargateProfileId"] == "<fleet-fargateProfile>"


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("fleet", "fleet-fargateProfile"),
        ("eks", "eksfargateProfile"),
        ("eks-a-b", "eks_a-bfargateProfile"),
        ("eksy", "eksy-fargateProfile"),
    ],
)
def test_a_fargate_profile_does_not_begin_with_eks(name: str, profile: str) -> None:
    assert clusters.fargate_profile_name(name) == profile


def test_an_oidc_provider_is_made_where_it_is_asked_for() -> None:
    made = cluster(MANAGED, createOidcProvider=True)
    assert made.inputs(":OpenIdConnectProvider")["fleet-oidcProvider"] == {
        "clientIdLists": ["sts.amazonaws.com"],
        "url": "https://oidc.eks.us-east-1.amazonaws.com/id/X",
        "thumbprintLists": [clusters.OIDC_THUMBPRINT],
    }
    assert made.outputs["oidcProviderArn"].endswith("/<fleet-oidcProvider>")


def test_a_profile_is_for_the_provider_and_not_for_the_exported_kubeconfig() -> None:
    made = cluster(MANAGED, providerCredentialOpts={"profileName": "ops"})
    own = made.inputs("pulumi:providers:kubernetes")["fleet-eks-k8s"]["kubeconfig"]
    assert '"--profile","ops"' in own
    assert "--profile" not in made.outputs["kubeconfigJson"]


def test_a_storage_class_by_name_is_the_default_one() -> None:
    made = cluster(MANAGED, storageClasses="gp2")
    assert made.inputs(":StorageClass")["fleet-gp2"] == {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/aws-ebs",
        "parameters": {"type": "gp2"},
    }


def test_the_default_vpc_is_looked_up_where_none_is_given() -> None:
    made = construct(
        provider(),
        CLUSTER,
        "fleet",
        {"authenticationMode": "API", "skipDefaultNodeGroup": True},
        functions={
            "aws:ec2/getVpc:getVpc": {"id": "vpc-default"},
            "aws:ec2/getSubnets:getSubnets": {"ids": ["subnet-1", "subnet-2"]},
        },
    )
    config = made.inputs("/cluster:Cluster")["fleet-eksCluster"]["vpcConfig"]
    assert config["subnetIds"] == ["subnet-1", "subnet-2"]
    assert made.outputs["core"]["vpcId"] == "vpc-default"


def test_roles_and_groups_that_are_given_are_not_made() -> None:
    def before() -> Mapping[str, Any]:
        group = Child(
            "aws:ec2/securityGroup:SecurityGroup", "own", {}, pulumi.ResourceOptions(), ("id",)
        )
        return {
            "serviceRole": a_role("service"),
            "instanceRole": a_role(),
            "clusterSecurityGroup": group,
            "creationRoleProvider": {"role": a_role("creator")},
        }

    made = construct(provider(), CLUSTER, "fleet", AUTO, before=before)
    assert made.of_type("eks:index:ServiceRole") == [
        {
            "type": "eks:index:ServiceRole",
            "name": "fleet-nodeRole",
            "parent": f"{CLUSTER} fleet",
            "inputs": {},
        }
    ]
    inputs = made.inputs("/cluster:Cluster")["fleet-eksCluster"]
    assert inputs["roleArn"].endswith("/<service>")
    assert inputs["vpcConfig"]["securityGroupIds"] == ["<own>"]
    assert made.inputs(":AccessEntry")["fleet-defaultNodeGroupInstanceRole"]["type"] == "EC2_LINUX"
    assert '"--role","arn:aws:sim' in made.outputs["kubeconfigJson"]
    assert made.outputs["core"]["clusterIamRole"] == {"resource": "aws:iam/role:Role service"}


def test_public_access_from_given_blocks_is_passed_on() -> None:
    made = cluster(MANAGED, endpointPublicAccess=True, publicAccessCidrs=["10.0.0.0/8"])
    config = made.inputs("/cluster:Cluster")["fleet-eksCluster"]["vpcConfig"]
    assert config["publicAccessCidrs"] == ["10.0.0.0/8"]


def test_public_and_private_subnets_are_joined_public_first() -> None:
    made = cluster({**MANAGED, "publicSubnetIds": ["subnet-p"], "privateSubnetIds": ["subnet-q"]})
    config = made.inputs("/cluster:Cluster")["fleet-eksCluster"]["vpcConfig"]
    assert config["subnetIds"] == ["subnet-p", "subnet-q"]


REFUSED: list[tuple[Mapping[str, Any], str]] = [
    ({**MANAGED, "authenticationMode": "IAM"}, "Invalid value for authenticationMode: IAM."),
    (
        {**MANAGED, "roleMappings": [{"roleArn": ROLE_ARN}]},
        "The 'roleMappings' property does not support non-empty values when 'authenticationMode' "
        "is set to 'API'.",
    ),
    ({**MANAGED, "userMappings": [{}]}, "The 'userMappings' property does not support"),
    ({**MANAGED, "instanceRoles": ["role"]}, "The 'instanceRoles' property does not support"),
    (
        {**OLD, "accessEntries": {"a": ADMINS}},
        "The 'accessEntries' property is not supported when 'authenticationMode' is not set.",
    ),
    (
        {**OLD, "authenticationMode": "CONFIG_MAP", "accessEntries": {"a": ADMINS}},
        "is not supported when 'authenticationMode' is set to 'CONFIG_MAP'.",
    ),
    (
        {**OLD, "instanceRole": "a", "instanceRoles": ["b"]},
        "instanceRole and instanceRoles are mutually exclusive, and cannot both be set.",
    ),
    ({**MANAGED, "subnetIds": ["subnet-1"]}, "are mutually exclusive. Choose a single approach."),
    (
        {**MANAGED, "nodeGroupOptions": {"minSize": 1}, "maxSize": 2},
        "Setting nodeGroupOptions, and any set of singular node group option(s)",
    ),
    (
        {**NETWORK, "autoMode": {"enabled": True}},
        "Access entries are required when using EKS Auto Mode.",
    ),
    (
        {**MANAGED, "creationRoleProvider": {"provider": "x"}},
        "The `creationRoleProvider.provider` option is not supported",
    ),
    (
        {**NETWORK, "authenticationMode": "API"},
        "The sandbox's eks creates no default group of self-managed nodes.",
    ),
    (
        {**MANAGED, "endpointPublicAccess": False, "publicAccessCidrs": ["10.0.0.0/8"]},
        "`publicAccessCidrs` can only be set when `endpointPublicAccess` is true",
    ),
    (
        {**MANAGED, "vpcCniOptions": {"externalSnat": True, "cniExternalSnat": True}},
        "Please specify one of `cniExternalSnat` or `externalSnat`",
    ),
]


@pytest.mark.parametrize(("inputs", "message"), REFUSED)
def test_inputs_that_the_real_cluster_refuses_are_refused(
    inputs: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(pulumi.InputPropertiesError, match=re.escape(message)):
        cluster(inputs)


def test_empty_mappings_are_valid_in_api_mode() -> None:
    made = cluster(MANAGED, roleMappings=[], userMappings=[], instanceRoles=[])
    assert made.outputs["instanceRoles"] == []


def test_a_node_group_gets_version_subnets_and_scaling_from_its_cluster_or_inputs() -> None:
    inputs = of_group(nodes({"nodeRoleArn": ROLE_ARN}, {**MANAGED, "version": "1.36"}))
    assert inputs == {
        "clusterName": "<fleet-eksCluster>",
        "nodeRoleArn": ROLE_ARN,
        "scalingConfig": {"desiredSize": 2, "minSize": 1, "maxSize": 2},
        "subnetIds": NETWORK["privateSubnetIds"],
        "version": "1.36",
    }


def test_a_node_group_passes_on_what_it_is_given() -> None:
    given = {
        "labels": {"pool": "a"},
        "taints": [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}],
        "subnetIds": ["subnet-1"],
        "clusterName": "other",
        "diskSize": 40,
        "version": "1.35",
    }
    made = nodes({**given, "nodeRoleArn": ROLE_ARN, "ignoreScalingChanges": True})
    assert {key: of_group(made)[key] for key in given} == given
    assert made.ignored["aws:eks/nodeGroup:NodeGroup workers"] == ["scalingConfig.desiredSize"]


def test_an_operating_system_and_the_instance_types_decide_the_image() -> None:
    made = nodes(
        {"nodeRoleArn": ROLE_ARN, "operatingSystem": "AL2023", "instanceTypes": ["m7g.large"]}
    )
    assert of_group(made)["amiType"] == "AL2023_ARM_64_STANDARD"


def test_imdsv2_is_asked_for_in_a_launch_template() -> None:
    made = nodes({"nodeRoleArn": ROLE_ARN, "enableIMDSv2": True, "diskSize": 40})
    assert made.inputs(":LaunchTemplate")["workers-launchTemplate"] == {
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 40}}],
        "metadataOptions": {
            "httpTokens": "required",
            "httpPutResponseHopLimit": 2,
            "httpEndpoint": "enabled",
        },
    }
    assert of_group(made)["launchTemplate"]["id"] == "<workers-launchTemplate>"
    assert "diskSize" not in of_group(made)


def test_own_user_data_with_an_own_image_replaces_version_and_type() -> None:
    made = nodes(
        {"nodeRoleArn": ROLE_ARN, "amiId": "ami-1", "userData": "#!/bin/sh", "version": "1.36"}
    )
    template = made.inputs(":LaunchTemplate")["workers-launchTemplate"]
    assert base64.b64decode(template["userData"]).decode() == "#!/bin/sh"
    assert template["imageId"] == "ami-1"
    assert "version" not in of_group(made)


def test_a_role_that_is_not_in_the_config_map_is_refused() -> None:
    with pytest.raises(pulumi.InputPropertyError) as caught:
        nodes({"nodeRoleArn": ROLE_ARN}, OLD)
    assert caught.value.property_path == "nodeRole"
    assert caught.value.reason == (
        "A managed node group cannot be created without first setting its role in the cluster's "
        "instanceRoles"
    )


def test_a_role_in_the_config_map_is_accepted_and_waited_for() -> None:
    def before() -> Mapping[str, Any]:
        role = a_role()
        made = clusters.Cluster("fleet", {**OLD, "instanceRoles": [role]})
        return {"cluster": made.outputs["core"], "nodeRole": role}

    made = construct(provider(), NODES, "workers", {}, before=before)
    assert (
        "kubernetes:core/v1:ConfigMap fleet-nodeAccess"
        in (made.dependencies["aws:eks/nodeGroup:NodeGroup workers"])
    )


REFUSED_NODES: list[tuple[Mapping[str, Any], list[str]]] = [
    ({}, ["nodeRole"]),
    ({"nodeRoleArn": ROLE_ARN, "nodeRole": "x"}, ["nodeRole"]),
    (
        {
            "nodeRoleArn": ROLE_ARN,
            "amiId": "ami-1",
            "gpu": True,
            "amiType": "AL2023_ARM_64_STANDARD",
        },
        ["amiId", "amiId"],
    ),
    ({"nodeRoleArn": ROLE_ARN, "enableEfaSupport": True}, ["enableEfaSupport"]),
    (
        {"nodeRoleArn": ROLE_ARN, "launchTemplate": {"version": "1"}, "enableIMDSv2": True},
        ["launchTemplate"],
    ),
    (
        {"nodeRoleArn": ROLE_ARN, "userData": "x", "kubeletExtraArgs": "--max-pods=10"},
        ["userData"],
    ),
    ({"nodeRoleArn": ROLE_ARN, "kubeletExtraArgs": "--max-pods=10"}, ["kubeletExtraArgs"]),
    ({"nodeRoleArn": ROLE_ARN, "amiId": "ami-1"}, ["amiId"]),
    ({"nodeRoleArn": ROLE_ARN, "userData": "x"}, ["userData"]),
]


@pytest.mark.parametrize(("inputs", "paths"), REFUSED_NODES)
def test_an_inconsistent_node_group_is_refused(inputs: Mapping[str, Any], paths: list[str]) -> None:
    with pytest.raises(
        pulumi.InputPropertiesError, match="managed node group are invalid"
    ) as caught:
        nodes(inputs)
    assert [error["property_path"] for error in caught.value.errors or ()] == paths


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("AL2023", False, ["m7g.large", "m7i.large"]), "do not share a common architecture"),
        (("AL2023", False, ["large"]), "Invalid EC2 instance type: large"),
        (("AL2", True, ["m7g.large"]), "No AMI type found for OS: AL2, GPU support: true"),
    ],
)
def test_unsupported_combinations_have_no_image(
    arguments: tuple[str, bool, list[str]], message: str
) -> None:
    with pytest.raises(pulumi.InputPropertyError) as caught:
        ami_type(*arguments)
    assert message in caught.value.reason


def test_a_separate_add_on_is_for_its_cluster() -> None:
    def before() -> Mapping[str, Any]:
        return {"cluster": clusters.Cluster("fleet", MANAGED).outputs["core"]}

    made = construct(
        provider(),
        "eks:index:Addon",
        "logs",
        {"addonName": "amazon-cloudwatch-observability", "configurationValues": {"b": 1, "a": {}}},
        before=before,
    )
    assert made.inputs("/addon:Addon")["logs"] == {
        "addonName": "amazon-cloudwatch-observability",
        "clusterName": "<fleet-eksCluster>",
        "configurationValues": '{"a":{},"b":1}',
    }


def test_a_separate_node_security_group_has_the_five_rules() -> None:
    def before() -> Mapping[str, Any]:
        data = clusters.Cluster("fleet", MANAGED).outputs["core"]
        return {"eksCluster": data["cluster"], "clusterSecurityGroup": data["clusterSecurityGroup"]}

    made = construct(
        provider(), "eks:index:NodeGroupSecurityGroup", "pool", {"vpcId": "vpc-1"}, before=before
    )
    rules = [name for name in made.inputs(":SecurityGroupRule") if name.startswith("pool-")]
    assert len(rules) == 5
    assert made.outputs["securityGroup"] == {
        "resource": "aws:ec2/securityGroup:SecurityGroup pool-nodeSecurityGroup"
    }


@pytest.mark.parametrize(
    ("inputs", "message"),
    [({}, "Missing required option 'clusterName'"), ({"clusterName": "a"}, "`clusterVersion`")],
)
def test_a_separate_cni_needs_its_cluster_and_a_version(
    inputs: dict[str, str], message: str
) -> None:
    with pytest.raises(pulumi.InputPropertiesError, match=message):
        construct(provider(), "eks:index:VpcCniAddon", "cni", inputs)
