"""The sandbox's aws: EKS clusters, their add-ons and their access."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.engine.provider import Made, RefusedError

ADDON = "aws:eks/addon:Addon"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
CAPABILITY = "aws:eks/capability:Capability"
CLUSTER = "aws:eks/cluster:Cluster"
ENTRY = "aws:eks/accessEntry:AccessEntry"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
NODES = "aws:eks/nodeGroup:NodeGroup"
POLICY = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
ROLE = "aws:iam/role:Role"
ARN = "arn:aws:iam::123456789012:role"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
CREATOR = "arn:aws:iam::123456789012:user/sandbox"
CENTER = "arn:aws:sso:::instance/ssoins-0123456789abcdef"
BOTH = ("sts:AssumeRole", "sts:TagSession")
API = {"accessConfig": {"authenticationMode": "API"}}


def make_role(
    account: Any,
    name: str,
    service: str = "pods.eks.amazonaws.com",
    actions: Any = BOTH,
    **condition: str,
) -> str:
    tags = {f"aws:RequestTag/{key.replace('_', '-')}": value for key, value in condition.items()}
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": actions,
        **({"Condition": {"StringEquals": tags}} if tags else {}),
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return account.make(ROLE, name, name=name, assumeRolePolicy=document).properties["arn"]


def cluster_inputs(account: Any) -> dict[str, Any]:
    vpc = account.make("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    subnets = [
        account.make(
            "aws:ec2/subnet:Subnet",
            zone,
            vpcId=vpc.id,
            cidrBlock=f"10.0.{number}.0/24",
            availabilityZone=f"us-east-1{zone}",
        ).id
        for number, zone in enumerate("ab")
    ]
    role = make_role(account, "cluster", "eks.amazonaws.com")
    return {"name": "fleet", "roleArn": role, "vpcConfig": {"subnetIds": subnets}}


def make_cluster(account: Any, **more: Any) -> Made:
    return account.make(CLUSTER, **cluster_inputs(account), **more)


def make_nodes(account: Any, made: Made, **more: Any) -> Made:
    return account.make(
        NODES,
        clusterName="fleet",
        nodeGroupName="nodes",
        nodeRoleArn=make_role(account, "nodes", "ec2.amazonaws.com"),
        subnetIds=made.properties["vpcConfig"]["subnetIds"],
        scalingConfig={"desiredSize": 2, "maxSize": 4, "minSize": 2},
        **more,
    )


def refused(account: Any, type_: str, **inputs: Any) -> str:
    with pytest.raises(RefusedError) as refusal:
        account.make(type_, "second", **inputs)
    return str(refusal.value)


@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_a_cluster_is_of_a_version_that_eks_offers(account: Any, version: str):
    assert make_cluster(account, version=version).properties["version"] == version


@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_a_version_that_eks_does_not_offer_is_refused(account: Any, version: str):
    (reason,) = account.reasons(CLUSTER, {**cluster_inputs(account), "version": version})
    assert f"'{version}' is not allowed; allowed: 1.33, 1.34, 1.35, 1.36" in reason


def test_a_cluster_in_standard_support_alone_needs_a_version_that_is(account: Any):
    inputs = {**cluster_inputs(account), "upgradePolicy": {"supportType": "STANDARD"}}
    assert account.reasons(CLUSTER, {**inputs, "version": "1.34"}) == []
    (reason,) = account.reasons(CLUSTER, {**inputs, "version": "1.33"})
    assert "a cluster without extended support requires a version in standard" in reason


@pytest.mark.parametrize(
    ("before", "after"), [("1.33", "1.34"), ("1.34", "1.35"), ("1.35", "1.36")]
)
def test_a_cluster_is_upgraded_one_minor_version_at_a_time(account: Any, before: str, after: str):
    inputs = cluster_inputs(account)
    made = account.make(CLUSTER, **inputs, version=before)
    assert account.update(CLUSTER, made, **inputs, version=after)["version"] == after


@pytest.mark.parametrize(
    ("before", "after"),
    [("1.33", "1.35"), ("1.34", "1.36"), ("1.34", "1.33"), ("1.36", "1.35"), ("1.36", "1.33")],
)
def test_a_cluster_skips_no_version_and_is_not_rolled_back(account: Any, before: str, after: str):
    inputs = cluster_inputs(account)
    made = account.make(CLUSTER, **inputs, version=before)
    with pytest.raises(RefusedError, match="Unsupported Kubernetes minor version update"):
        account.update(CLUSTER, made, **inputs, version=after)


@pytest.mark.parametrize("version", ["1.33", "1.34"])
def test_nodes_are_at_most_of_the_version_of_their_cluster(account: Any, version: str):
    made = make_cluster(account, version="1.34")
    assert make_nodes(account, made, version=version).properties["version"] == version


def test_nodes_of_a_newer_version_than_their_cluster_are_refused(account: Any):
    made = make_cluster(account, version="1.34")
    with pytest.raises(
        RefusedError, match=r"version 1\.35 must not be newer than .* version 1\.34"
    ):
        make_nodes(account, made, version="1.35")


def test_a_protected_cluster_is_not_deleted(account: Any):
    made = make_cluster(account, deletionProtection=True)
    with pytest.raises(RefusedError, match="protected against deletion by deletionProtection"):
        account.delete(CLUSTER, made)


def test_a_cluster_with_nodes_is_not_deleted(account: Any):
    made = make_cluster(account)
    nodes = make_nodes(account, made)
    with pytest.raises(RefusedError, match=r"ResourceInUseException.*NodeGroup fleet:nodes still"):
        account.delete(CLUSTER, made)
    account.delete(NODES, nodes)
    account.delete(CLUSTER, made)
    assert account.cloud.list("aws", CLUSTER) == []


def test_the_log_group_of_a_cluster_may_exist_before_it(account: Any):
    account.make(LOG_GROUP, name="/aws/eks/fleet/cluster")
    assert make_cluster(account, enabledClusterLogTypes=["api"]).id == "fleet"


def test_a_cluster_lookup_returns_its_endpoint_and_certificate(account: Any):
    made = make_cluster(account, **API)
    found = account.invoke("aws:eks/getCluster:getCluster", name="fleet")
    assert found["endpoint"] == made.properties["endpoint"]
    assert found["certificateAuthorities"] == [{"data": "Q0VSVElGSUNBVEU="}]
    assert found["kubernetesNetworkConfigs"] == [
        {"ipFamily": "ipv4", "serviceIpv4Cidr": "172.20.0.0/16"}
    ]
    assert found["vpcConfig"] == made.properties["vpcConfig"]
    assert found["accessConfigs"] == [
        {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True}
    ]
    assert found["computeConfigs"] == []


def test_an_explicit_service_block_of_a_cluster_is_kept(account: Any):
    made = make_cluster(account, kubernetesNetworkConfig={"serviceIpv4Cidr": "10.100.0.0/16"})
    assert made.properties["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "10.100.0.0/16"


def test_a_subnet_lookup_returns_its_block(account: Any):
    subnet = cluster_inputs(account)["vpcConfig"]["subnetIds"][1]
    assert account.invoke("aws:ec2/getSubnet:getSubnet", id=subnet)["cidrBlock"] == "10.0.1.0/24"


@pytest.mark.parametrize("other", [{"diskSize": 20}, {"remoteAccess": {"ec2SshKey": "key"}}])
def test_the_launch_template_sets_the_disk_and_the_access_of_nodes(
    account: Any, other: Mapping[str, Any]
):
    inputs = {
        "clusterName": "fleet",
        "nodeRoleArn": f"{ARN}/nodes",
        "subnetIds": ["subnet-0123456789abcdef0"],
        "scalingConfig": {"desiredSize": 1, "maxSize": 1, "minSize": 1},
        "launchTemplate": {"id": "lt-1", "version": "1"},
    }
    assert account.reasons(NODES, inputs) == []
    (reason,) = account.reasons(NODES, {**inputs, **other})
    assert "the launch template sets the" in reason


def test_an_add_on_is_one_that_eks_has(account: Any):
    make_cluster(account)
    assert account.make(ADDON, clusterName="fleet", addonName="coredns").id == "fleet:coredns"
    (reason,) = account.reasons(ADDON, {"clusterName": "fleet", "addonName": "core-dns"})
    assert "'core-dns' is not allowed; allowed: adot, amazon-cloudwatch-observability" in reason
    assert "ResourceInUseException" in refused(
        account, ADDON, clusterName="fleet", addonName="coredns"
    )
    assert "clusterName 'other' does not exist" in refused(
        account, ADDON, clusterName="other", addonName="coredns"
    )


@pytest.mark.parametrize(
    ("version", "fine"),
    [
        ("v1.12.2-eksbuild.4", True),
        ("v0.8.0-eksbuild.1", True),
        ("1.12.2", False),
        ("v1.12", False),
    ],
)
def test_a_version_of_an_add_on_is_a_build_of_eks(account: Any, version: str, fine: bool):
    inputs = {"clusterName": "fleet", "addonName": "coredns", "addonVersion": version}
    assert (account.reasons(ADDON, inputs) == []) is fine


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"addonName": "core-dns", "kubernetesVersion": "1.36"}, "addonName 'core-dns'"),
        ({"addonName": "coredns", "kubernetesVersion": "1.32"}, "kubernetesVersion '1.32'"),
    ],
)
def test_an_add_on_that_eks_does_not_have_has_no_version(
    account: Any, arguments: Mapping[str, str], reason: str
):
    with pytest.raises(RefusedError, match=f"{reason} is not allowed"):
        account.invoke("aws:eks/getAddonVersion:getAddonVersion", **arguments)


def associated(role: str, **more: Any) -> dict[str, Any]:
    inputs = {"clusterName": "fleet", "namespace": "records", "serviceAccount": "notes"}
    return {**inputs, "roleArn": role, **more}


def test_a_service_account_takes_a_role_that_trusts_pods(account: Any):
    make_cluster(account)
    role = make_role(
        account,
        "notes",
        kubernetes_namespace="records",
        kubernetes_service_account="notes",
        eks_cluster_name="fleet",
    )
    assert account.make(ASSOCIATION, **associated(role)).id.startswith("a-")
    assert "ResourceInUseException" in refused(account, ASSOCIATION, **associated(role))


UNTRUSTED: list[dict[str, Any]] = [
    {"service": "ec2.amazonaws.com"},
    {"actions": "sts:AssumeRole"},
    {"actions": ["sts:TagSession"]},
    {"kubernetes_namespace": "other"},
    {"kubernetes_service_account": "clock"},
    {"eks_cluster_name": "other"},
]


@pytest.mark.parametrize("trust", UNTRUSTED)
def test_a_role_that_does_not_trust_the_pods_of_a_service_account_is_refused(
    account: Any, trust: Mapping[str, Any]
):
    make_cluster(account)
    found = refused(account, ASSOCIATION, **associated(make_role(account, "notes", **trust)))
    assert (
        f"InvalidParameterException: {ASSOCIATION} second: the role {ARN}/notes of service account "
        "records/notes: its trust policy must allow pods.eks.amazonaws.com to sts:AssumeRole and "
        "sts:TagSession, kubernetes-namespace: records, kubernetes-service-account: notes"
    ) in found


def test_a_wildcard_for_sts_actions_is_sufficient_trust(account: Any):
    make_cluster(account)
    role = make_role(account, "notes", actions="sts:*")
    assert account.make(ASSOCIATION, **associated(role)).id.startswith("a-")


def test_the_role_and_the_cluster_of_an_association_must_exist(account: Any):
    make_cluster(account)
    role = make_role(account, "notes")
    absent = associated(f"{ARN}/nobody")
    assert f"roleArn '{ARN}/nobody' does not exist" in refused(account, ASSOCIATION, **absent)
    elsewhere = associated(role, clusterName="other")
    assert "clusterName 'other' does not exist" in refused(account, ASSOCIATION, **elsewhere)


def test_a_session_policy_needs_sessions_without_tags(account: Any):
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    inputs = associated(f"{ARN}/notes", policy=policy)
    assert account.reasons(ASSOCIATION, {**inputs, "disableSessionTags": True}) == []
    for more in ({}, {"disableSessionTags": False}):
        (reason,) = account.reasons(ASSOCIATION, {**inputs, **more})
        assert "a session policy needs disableSessionTags: true" in reason


def test_the_service_accounts_of_an_add_on_take_roles_likewise(account: Any):
    make_cluster(account)
    inputs = {"clusterName": "fleet", "addonName": "vpc-cni"}
    good = make_role(account, "good", kubernetes_service_account="aws-node")
    bad = make_role(account, "bad", kubernetes_service_account="coredns")
    pair = [{"roleArn": role, "serviceAccount": "aws-node"} for role in (good, bad)]
    assert f"the role {ARN}/bad of service account aws-node: its trust policy must allow" in (
        refused(account, ADDON, **inputs, podIdentityAssociations=pair)
    )
    made = account.make(ADDON, **inputs, podIdentityAssociations=pair[:1])
    assert made.id == "fleet:vpc-cni"


def test_a_principal_has_one_access_entry(account: Any):
    make_cluster(account, **API)
    inputs = {"clusterName": "fleet", "principalArn": f"{ARN}/ops"}
    assert account.make(ENTRY, **inputs).id == f"fleet:{ARN}/ops"
    assert "ResourceInUseException" in refused(account, ENTRY, **inputs)


def test_the_creator_of_a_cluster_has_an_entry_unless_it_is_disabled(account: Any):
    made = make_cluster(account, **API)
    inputs = {"clusterName": "fleet", "principalArn": CREATOR}
    assert f"ResourceInUseException: {ENTRY} second: The specified access entry resource is" in (
        refused(account, ENTRY, **inputs)
    )
    account.cloud.edit(
        "aws",
        CLUSTER,
        made.id,
        {
            "accessConfig": {
                "authenticationMode": "API",
                "bootstrapClusterCreatorAdminPermissions": False,
            }
        },
    )
    assert account.make(ENTRY, **inputs).id == f"fleet:{CREATOR}"


def test_a_cluster_in_config_map_mode_has_no_access_entries(account: Any):
    make_cluster(account)
    found = refused(account, ENTRY, clusterName="fleet", principalArn=f"{ARN}/ops")
    assert "authentication mode must be set to one of [API, API_AND_CONFIG_MAP]" in found


def test_an_entry_is_of_no_group_of_kubernetes_own(account: Any):
    inputs = {"clusterName": "fleet", "principalArn": f"{ARN}/ops"}
    assert account.reasons(ENTRY, {**inputs, "kubernetesGroups": ["ops"]}) == []
    (reason,) = account.reasons(ENTRY, {**inputs, "kubernetesGroups": ["system:masters"]})
    assert "'system:masters' does not match the pattern" in reason


def test_a_policy_needs_the_principals_entry(account: Any):
    make_cluster(account, **API)
    inputs = {
        "clusterName": "fleet",
        "principalArn": f"{ARN}/ops",
        "policyArn": ADMIN,
        "accessScope": {"type": "cluster"},
    }
    assert f"cluster fleet has no access entry for {ARN}/ops" in refused(account, POLICY, **inputs)
    account.make(ENTRY, clusterName="fleet", principalArn=f"{ARN}/ops")
    assert account.make(POLICY, **inputs).id == f"fleet#{ARN}/ops#{ADMIN}"


def argocd(role: str, **more: Any) -> dict[str, Any]:
    return {
        "clusterName": "fleet",
        "capabilityName": "argocd",
        "type": "ARGOCD",
        "roleArn": role,
        "deletePropagationPolicy": "RETAIN",
        "configuration": {"argoCd": {"awsIdc": {"idcInstanceArn": CENTER}}},
        **more,
    }


def test_a_capability_has_a_role_that_trusts_it_and_an_entry_of_its_own(account: Any):
    make_cluster(account, **API)
    role = make_role(account, "argocd", "capabilities.eks.amazonaws.com")
    assert account.make(CAPABILITY, **argocd(role)).id == "fleet,argocd"
    scope = {"type": "cluster"}
    policy = {"clusterName": "fleet", "principalArn": role, "policyArn": ADMIN}
    assert account.make(POLICY, **policy, accessScope=scope).id == f"fleet#{role}#{ADMIN}"
    second = argocd(role, capabilityName="second")
    assert "ResourceInUseException" in refused(account, CAPABILITY, **second)


def test_a_role_that_does_not_trust_capabilities_is_refused(account: Any):
    make_cluster(account, **API)
    assert "must allow capabilities.eks.amazonaws.com to sts:AssumeRole and sts:TagSession" in (
        refused(account, CAPABILITY, **argocd(make_role(account, "argocd")))
    )


def test_a_cluster_with_a_capability_is_not_deleted(account: Any):
    made = make_cluster(account, **API)
    role = make_role(account, "argocd", "capabilities.eks.amazonaws.com")
    account.make(CAPABILITY, **argocd(role))
    with pytest.raises(RefusedError, match="Capability fleet,argocd still uses it"):
        account.delete(CLUSTER, made)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"configuration": {}}, "Argo CD needs IAM Identity Center"),
        ({"type": "ACK"}, "configuration.argoCd is not allowed where type is"),
        ({"type": "FLUX"}, "'FLUX' is not allowed"),
        ({"deletePropagationPolicy": "DELETE"}, "'DELETE' is not allowed; allowed: RETAIN"),
    ],
)
def test_an_invalid_capability_is_refused(account: Any, more: Mapping[str, Any], reason: str):
    (found,) = account.reasons(CAPABILITY, argocd(f"{ARN}/argocd", **more))
    assert reason in found
