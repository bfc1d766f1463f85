"""The cluster of the EKS target: settings, access, nodes and add-ons."""

import json
import re
from datetime import date
from typing import Any

import pytest

from components.targets.eks import addons, cluster
from core.targets.eks.versions import ADDON_VERSIONS, CHARTS, NEWEST
from tests.components.fleets import (
    ADMINISTRATORS,
    EKS,
    EKS_ARGOCD,
    EKS_EXAMPLE,
    EKS_EXISTING,
    EKS_FLEETS,
    EKS_FLUX,
    EKS_FULL,
    EKS_MANAGED,
    PAYMENTS,
)
from tests.components.recording import (
    AUTHORITY,
    CLUSTER_GROUP,
    EXISTING_CLUSTER,
    Recording,
    Resource,
    run,
)
from tests.components.recording import CLUSTER_NAME as NAME

fleets = pytest.mark.parametrize("fleet", EKS_FLEETS.values(), ids=EKS_FLEETS)
LABEL = "mcp-platform-dev"
ENDPOINT = f"https://{NAME}.eks.amazonaws.com"


def _cluster(fleet: dict[str, Any], **section: Any) -> dict[str, Any]:
    """The inputs of a fleet's cluster, with changes in the section `cluster`."""
    changed = {**fleet, "cluster": {**fleet.get("cluster", {}), **section}}
    return run(changed).one("eks.Cluster").inputs


def _addons(recording: Recording) -> dict[str, Resource]:
    return {made.inputs["addonName"]: made for made in recording.of("eks.Addon")}


def test_the_cluster_of_the_least_fleet_in_full():
    recording = run(EKS)
    vpc = recording.one("awsx.Vpc").state
    assert recording.one("eks.Cluster").inputs == {
        "name": NAME,
        "version": NEWEST,
        "vpcId": vpc["vpcId"],
        "privateSubnetIds": vpc["privateSubnetIds"],
        "kubernetesServiceIpAddressRange": "172.20.0.0/16",
        "endpointPrivateAccess": True,
        "endpointPublicAccess": False,
        "authenticationMode": "API",
        "accessEntries": {},
        "autoMode": {"enabled": True},
        "bootstrapSelfManagedAddons": False,
        "useDefaultVpcCni": True,
        "kubeProxyAddonOptions": {"enabled": False},
        "corednsAddonOptions": {"enabled": False},
        "createInstanceRole": False,
        "skipDefaultNodeGroup": True,
        "skipDefaultSecurityGroups": True,
        "upgradePolicy": {"supportType": "STANDARD"},
        "deletionProtection": False,
        "enabledClusterLogTypes": [
            "api",
            "audit",
            "authenticator",
            "controllerManager",
            "scheduler",
        ],
        "encryptionConfigKeyArn": recording.one("kms.Key").state["arn"],
    }


def test_another_version_is_taken_where_it_is_asked_for():
    assert NEWEST != "1.35"
    assert _cluster(EKS, version="1.35")["version"] == "1.35"


@pytest.mark.parametrize("version", ["1.34", "1.35"])
def test_a_preview_warns_of_a_version_whose_support_ends(
    version: str, monkeypatch: pytest.MonkeyPatch
):
    def warning(asked: str, _today: date) -> str | None:
        return f"{asked} gets old" if asked == "1.34" else None

    monkeypatch.setattr(cluster, "support_warning", warning)
    # A number of zones that no other fleet has, because runs are cached by fleet.
    fleet = {**EKS, "network": {"zones": 4}, "cluster": {"version": version}}
    warned = run(fleet, preview=True).warnings
    assert warned == (["1.34 gets old"] if version == "1.34" else [])


def test_the_api_is_reached_from_outside_by_the_configured_blocks_alone():
    inputs = _cluster(EKS, public_access_cidrs=["203.0.113.0/24"])
    assert inputs["endpointPrivateAccess"] is True
    assert inputs["endpointPublicAccess"] is True
    assert inputs["publicAccessCidrs"] == ["203.0.113.0/24"]


def _access(policy: str, scope: dict[str, Any]) -> dict[str, Any]:
    return {
        "policyArn": f"arn:aws:eks::aws:cluster-access-policy/{policy}",
        "accessScope": scope,
    }


def test_access_is_for_the_whole_cluster_or_for_namespaces():
    entries = _cluster(EKS_FULL)["accessEntries"]
    everywhere = entries["administrators"]["accessPolicies"]["cluster-admin"]["accessScope"]
    assert everywhere.pop("namespaces", None) is None
    assert entries == {
        "administrators": {
            "principalArn": ADMINISTRATORS,
            "accessPolicies": {
                "cluster-admin": _access("AmazonEKSClusterAdminPolicy", {"type": "cluster"})
            },
        },
        "payments": {
            "principalArn": PAYMENTS,
            "accessPolicies": {
                "edit": _access(
                    "AmazonEKSEditPolicy",
                    {"type": "namespace", "namespaces": ["payments", "records"]},
                )
            },
        },
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("cluster-admin", "AmazonEKSClusterAdminPolicy"),
        ("admin", "AmazonEKSAdminPolicy"),
        ("edit", "AmazonEKSEditPolicy"),
        ("view", "AmazonEKSViewPolicy"),
    ],
)
def test_every_policy_of_ours_is_one_of_awss(policy: str, expected: str):
    access = {"somebody": {"principal_arn": PAYMENTS, "policy": policy}}
    entry = _cluster(EKS, access=access)["accessEntries"]["somebody"]
    assert [each["policyArn"] for each in entry["accessPolicies"].values()] == [
        f"arn:aws:eks::aws:cluster-access-policy/{expected}"
    ]


@pytest.mark.parametrize(
    ("production", "wanted", "protected"),
    [
        (False, None, False),
        (True, None, True),
        (False, True, True),
        (True, False, False),
    ],
)
def test_a_cluster_is_protected_from_deletion_in_production_and_by_choice(
    production: bool, wanted: bool | None, protected: bool
):
    section = {} if wanted is None else {"deletion_protection": wanted}
    fleet = {**EKS, "production": production}
    assert _cluster(fleet, **section)["deletionProtection"] is protected


@pytest.mark.parametrize(
    ("vpc", "services"),
    [
        ("10.0.0.0/16", "172.20.0.0/16"),
        ("10.100.0.0/16", "172.20.0.0/16"),
        ("172.16.0.0/16", "172.20.0.0/16"),
        ("172.20.0.0/16", "10.100.0.0/16"),
        ("172.20.128.0/17", "10.100.0.0/16"),
    ],
)
def test_the_services_have_a_block_that_is_not_the_networks(vpc: str, services: str):
    fleet = {**EKS, "network": {"cidr": vpc}}
    recording = run(fleet)
    inputs = recording.one("eks.Cluster").inputs
    assert inputs["kubernetesServiceIpAddressRange"] == services
    way_out = recording.one("kubernetes.NetworkPolicy", "eks-namespaces-mcp-way-out")
    assert way_out.inputs["spec"]["egress"][0]["to"][0] == {"ipBlock": {"cidr": services}}


def test_the_control_plane_logs_to_a_group_with_retention_that_is_there_before():
    recording = run(EKS_FULL)
    group = recording.one("cloudwatch.LogGroup", "eks-control-plane-logs")
    assert group.inputs == {
        "name": f"/aws/eks/{NAME}/cluster",
        "retentionInDays": 90,
        "kmsKeyId": recording.one("kms.Key").state["arn"],
    }
    assert group.urn in recording.one("eks.Cluster").dependencies


def test_the_nodes_log_to_groups_with_retention_that_are_there_before():
    recording = run(EKS_FULL)
    watching = _addons(recording)["amazon-cloudwatch-observability"]
    for what in ("application", "dataplane", "host", "performance"):
        group = recording.one("cloudwatch.LogGroup", f"eks-base-{what}-logs")
        assert group.inputs == {
            "name": f"/aws/containerinsights/{NAME}/{what}",
            "retentionInDays": 90,
            "kmsKeyId": recording.one("kms.Key").state["arn"],
        }
        assert group.urn in watching.dependencies


def test_a_cluster_has_a_name_of_its_own_so_that_it_finds_no_logs_of_an_earlier_one():
    recording = run(EKS)
    suffix = recording.one("random.RandomId", "eks-cluster-name")
    assert recording.one("eks.Cluster").inputs["name"] == f"{LABEL}-{suffix.state['hex']}"
    assert suffix.name not in run(EKS_EXISTING).names("random.RandomId")


def test_the_key_encrypts_the_logs_of_the_stack_and_of_its_clusters():
    statements = run(EKS).one("kms.Key").json("policy")["Statement"]
    (logs,) = (each for each in statements if each["Sid"] == "LogsEncrypt")
    account = "arn:aws:logs:us-east-1:123456789012"
    assert logs["Condition"] == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                f"{account}:log-group:{path}/*"
                for path in (
                    "/mcp-platform/dev",
                    "/aws/vendedlogs/states/mcp-platform/dev",
                    "aws-waf-logs-mcp-platform-dev",
                    f"/aws/eks/{LABEL}-*",
                    f"/aws/containerinsights/{LABEL}-*",
                )
            ]
        }
    }


def _in_cluster(recording: Recording) -> list[Resource]:
    return [made for made in recording.resources.values() if made.type.startswith("kubernetes:")]


@fleets
@pytest.mark.parametrize("preview", [False, True])
def test_every_object_says_to_which_cluster_it_goes(fleet: Any, *, preview: bool):
    recording = run(fleet, preview=preview)
    objects = _in_cluster(recording)
    own = {
        f"{made.urn}::": made.name
        for made in recording.of("pulumi.kubernetes")
        if not made.name.startswith("default")
    }
    assert len(objects) > 5
    assert [
        made.name for made in objects if not any(made.provider.startswith(urn) for urn in own)
    ] == []
    assert {made.name for made in recording.of("pulumi.kubernetes")} == set(own.values())
    gitops = {"eks-manifests"} if "gitops" in fleet else set[str]()
    assert set(own.values()) == {"eks-kubernetes", *gitops}


@pytest.mark.parametrize(
    ("fleet", "name", "endpoint"),
    [(EKS_FULL, NAME, ENDPOINT), (EKS_EXISTING, "shared", EXISTING_CLUSTER["endpoint"])],
    ids=["own", "existing"],
)
def test_the_provider_reaches_the_cluster_with_a_token_of_the_moment(
    fleet: Any, name: str, endpoint: str
):
    provider = run(fleet).one("pulumi.kubernetes", "eks-kubernetes").inputs
    kubeconfig = json.loads(provider.pop("kubeconfig"))
    (reached,), (user,) = kubeconfig["clusters"], kubeconfig["users"]
    assert reached["cluster"] == {"server": endpoint, "certificate-authority-data": AUTHORITY}
    # The kubeconfig has no token, key or certificate: a token is requested for each call.
    assert user["user"].keys() == {"exec"}
    command = user["user"]["exec"]
    assert [command["command"], *command["args"][:2]] == ["aws", "eks", "get-token"]
    assert command["args"][2:] == [
        "--cluster-name",
        name,
        "--region",
        "us-east-1",
        "--output",
        "json",
    ]
    assert command["interactiveMode"] == "Never"
    # Only another endpoint is another cluster, which replaces the objects.
    assert provider == {"clusterIdentifier": endpoint, **SWITCHES}


SWITCHES = {
    "deleteUnreachable": "false",
    "enableConfigMapMutable": "true",
    "enablePatchForce": "false",
    "enableSecretMutable": "false",
    "enableServerSideApply": "true",
    "skipUpdateUnreachable": "false",
    "upsertExistingObjects": "false",
}


def test_no_variable_of_the_environment_changes_what_happens_to_objects(
    monkeypatch: pytest.MonkeyPatch,
):
    for variable, value in {
        "DELETE_UNREACHABLE": "true",
        "ENABLE_CONFIGMAP_MUTABLE": "false",
        "ENABLE_PATCH_FORCE": "true",
        "ENABLE_SECRET_MUTABLE": "true",
        "ENABLE_SERVER_SIDE_APPLY": "false",
        "SKIP_UPDATE_UNREACHABLE": "true",
        "UPSERT_EXISTING_OBJECTS": "true",
    }.items():
        monkeypatch.setenv(f"PULUMI_K8S_{variable}", value)
    # A retention that no other fleet has, because runs are cached by fleet.
    fleet = {**EKS_FLUX, "observability": {"retention_days": 3653}}
    providers = run(fleet).of("pulumi.kubernetes")
    assert [made.name for made in providers] == ["eks-kubernetes", "eks-manifests"]
    for made in providers:
        assert made.inputs.items() >= SWITCHES.items()


@pytest.mark.parametrize(
    ("aws", "role", "profile"),
    [
        ({}, None, None),
        ({"profile": "ops"}, None, "ops"),
        ({"assumeRoles": json.dumps([{"roleArn": PAYMENTS}])}, PAYMENTS, None),
    ],
)
def test_the_cluster_is_accessed_with_the_role_and_profile_of_the_stack(
    aws: dict[str, str], role: str | None, profile: str | None
):
    provider = run(EKS, aws=aws).one("pulumi.kubernetes").inputs
    (user,) = json.loads(provider["kubeconfig"])["users"]
    command = user["user"]["exec"]
    asked = command["args"]
    assert (asked[asked.index("--role-arn") + 1] if "--role-arn" in asked else None) == role
    variables = [{"name": "AWS_PROFILE", "value": profile}] if profile else []
    assert (command.get("env") or []) == variables


def test_with_gitops_only_the_engine_and_what_the_fleet_needs_go_to_the_cluster():
    for fleet in (EKS_FLUX, EKS_ARGOCD):
        recording = run(fleet)
        rendering = recording.one("pulumi.kubernetes", "eks-manifests")
        assert rendering.inputs["renderYamlToDirectory"] == "rendered/dev"
        # An empty kubeconfig is not read from the environment, and connects to no cluster.
        assert rendering.inputs["kubeconfig"] == ""
        applied = {
            made.kind for made in _in_cluster(recording) if "::eks-kubernetes::" in made.provider
        }
        engine = {"Namespace", "GitRepository", "Kustomization", "Release"}
        if fleet is EKS_ARGOCD:
            engine = {"Namespace", "Application", "Secret"}
        assert applied == {f"kubernetes.{kind}" for kind in {"NodePool", "ConfigMapPatch"} | engine}
        base = recording.one("mcp-platform.Base").urn
        parents = {
            made.parent for made in _in_cluster(recording) if "::eks-kubernetes::" in made.provider
        }
        assert parents == {base}


def test_auto_mode_makes_graviton_nodes_of_the_sizes_that_are_reckoned_with():
    recording = run(EKS)
    pool = recording.one("kubernetes.NodePool")
    assert pool.inputs["metadata"] == {"name": "graviton-on-demand"}
    spec = pool.inputs["spec"]["template"]["spec"]
    assert spec == {
        "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "default"},
        "requirements": [
            {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]},
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
            {
                "key": "eks.amazonaws.com/instance-category",
                "operator": "In",
                "values": ["c", "m", "r"],
            },
            {"key": "eks.amazonaws.com/instance-cpu", "operator": "Lt", "values": ["33"]},
            {"key": "eks.amazonaws.com/instance-memory", "operator": "Lt", "values": ["262145"]},
        ],
    }
    assert pool.inputs["spec"]["disruption"] == {
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
        "consolidateAfter": "5m",
        "budgets": [{"nodes": "1"}],
    }
    assert recording.one("eks.Cluster").urn in pool.dependencies


def test_there_is_spare_capacity_only_where_a_workload_asks_for_it():
    assert run(EKS_FULL).names("kubernetes.NodePool") == [
        "eks-base-nodes-on-demand",
        "eks-base-nodes-spot",
    ]
    spot = run(EKS_FULL).one("kubernetes.NodePool", "eks-base-nodes-spot").inputs
    requirements = spot["spec"]["template"]["spec"]["requirements"]
    assert requirements[:2] == [
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]},
    ]
    assert run(EKS_EXAMPLE).names("kubernetes.NodePool") == ["eks-base-nodes-on-demand"]
    managed = {**EKS_EXAMPLE, "cluster": {"nodes": "managed"}}
    assert run(managed).names("eks.ManagedNodeGroup") == ["eks-base-nodes-on-demand"]


def test_auto_mode_is_configured_to_apply_network_policies():
    recording = run(EKS)
    made = recording.one("kubernetes.ConfigMapPatch", "eks-base-network-policies")
    # The ConfigMap may exist with other keys and another value. This key is set anyway.
    assert made.inputs["metadata"] == {
        "name": "amazon-vpc-cni",
        "namespace": "kube-system",
        "annotations": {"pulumi.com/patchForce": "true"},
    }
    assert made.inputs["data"] == {"enable-network-policy-controller": "true"}
    # Earlier, it was a ConfigMap. The alias keeps existing stacks from replacing it.
    (former,) = made.aliases
    assert "kubernetes:core/v1:ConfigMap" in former
    deployment = recording.one("kubernetes.Deployment")
    assert made.urn in deployment.dependencies


def test_a_node_pool_is_bounded_above_what_the_fleet_can_need():
    assert run(EKS).one("kubernetes.NodePool").inputs["spec"]["limits"] == {
        "cpu": "48",
        "memory": "320Gi",
    }
    pools = run(EKS_FULL).of("kubernetes.NodePool")
    assert len(pools) == 2
    assert len({json.dumps(pool.inputs["spec"]["limits"]) for pool in pools}) == 1


def test_managed_nodes_are_graviton_encrypted_and_keep_their_credentials_from_pods():
    recording = run(EKS_MANAGED)
    template = recording.one("ec2.LaunchTemplate")
    assert template.inputs == {
        "blockDeviceMappings": [
            {
                "deviceName": "/dev/xvda",
                "ebs": {
                    "volumeSize": 80,
                    "volumeType": "gp3",
                    "encrypted": "true",
                    "deleteOnTermination": "true",
                },
            }
        ],
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
        "updateDefaultVersion": True,
    }
    groups = {made.inputs["capacityType"]: made for made in recording.of("eks.ManagedNodeGroup")}
    assert groups.keys() == {"ON_DEMAND", "SPOT"}
    for capacity, group in groups.items():
        inputs = dict(group.inputs)
        assert inputs.pop("cluster")["urn"] == recording.one("eks.Cluster").urn
        assert inputs == {
            "version": NEWEST,
            "nodeRoleArn": recording.one("iam.Role", "eks-base-node-role").state["arn"],
            "subnetIds": recording.one("awsx.Vpc").state["privateSubnetIds"],
            "amiType": "AL2023_ARM_64_STANDARD",
            "capacityType": capacity,
            "instanceTypes": ["m7g.xlarge", "m6g.xlarge"],
            "scalingConfig": {"minSize": 3, "desiredSize": 3, "maxSize": 9},
            "ignoreScalingChanges": True,
            "launchTemplate": {"id": template.id, "version": "1"},
        }


BEFORE_NODES = ("eks-pod-identity-agent", "kube-proxy", "vpc-cni")


def test_managed_nodes_are_made_after_the_network_and_before_what_runs_on_them():
    recording = run(EKS_MANAGED)
    made = _addons(recording)
    for group in recording.of("eks.ManagedNodeGroup"):
        for name in BEFORE_NODES:
            assert made[name].urn in group.dependencies
            assert group.urn not in made[name].dependencies
        for name in ("coredns", "metrics-server"):
            assert group.urn in made[name].dependencies


def test_the_role_of_a_managed_node_joins_it_and_pulls_images_and_nothing_else():
    recording = run(EKS_MANAGED)
    role = recording.one("iam.Role", "eks-base-node-role")
    attached = [
        made.inputs["policyArn"]
        for made in recording.of("iam.RolePolicyAttachment")
        if made.inputs["role"] == role.state["name"]
    ]
    assert sorted(attached) == [
        "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly",
        "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
    ]
    own = [made for made in recording.of("iam.RolePolicy") if made.inputs["role"] == role.id]
    assert own == []


ALWAYS = {
    "metrics-server",
    "amazon-cloudwatch-observability",
    "aws-secrets-store-csi-driver-provider",
}
OF_NODES = {"eks-pod-identity-agent", "kube-proxy", "vpc-cni", "coredns"}


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        (EKS, ALWAYS),
        (EKS_FULL, ALWAYS | {"aws-efs-csi-driver"}),
        (EKS_MANAGED, ALWAYS | {"aws-efs-csi-driver"} | OF_NODES),
        ({**EKS, "cluster": {"nodes": "managed"}}, ALWAYS | OF_NODES),
        (EKS_EXISTING, set[str]()),
    ],
    ids=["least", "files", "managed", "managed least", "existing"],
)
def test_a_cluster_has_the_add_ons_that_its_fleet_needs(fleet: Any, expected: set[str]):
    recording = run(fleet)
    assert _addons(recording).keys() == expected
    for name, addon in _addons(recording).items():
        assert addon.inputs["clusterName"] == NAME
        pinned = ADDON_VERSIONS[name]
        assert addon.inputs["addonVersion"] == (pinned or f"{name}-for-{NEWEST}")
        # Components that the owner of the cluster installed are not adopted.
        assert addon.inputs["resolveConflictsOnCreate"] == "NONE"
        assert addon.inputs["resolveConflictsOnUpdate"] == "OVERWRITE"


def test_an_add_on_has_the_version_that_the_table_pins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(addons, "ADDON_VERSIONS", {"metrics-server": "v0.8.0-eksbuild.1"})
    # Five zones, which no other fleet has, because runs are cached by fleet.
    made = _addons(run({**EKS, "network": {"zones": 5}}))
    versions = {name: addon.inputs["addonVersion"] for name, addon in made.items()}
    assert versions == {
        name: "v0.8.0-eksbuild.1" if name == "metrics-server" else f"{name}-for-{NEWEST}"
        for name in ALWAYS
    }


def test_add_ons_are_configured_as_the_workloads_need_them():
    configured = {
        name: json.loads(addon.inputs["configurationValues"])
        for name, addon in _addons(run(EKS_MANAGED)).items()
        if "configurationValues" in addon.inputs
    }
    assert configured.keys() == {
        "amazon-cloudwatch-observability",
        "aws-secrets-store-csi-driver-provider",
        "vpc-cni",
    }
    assert configured["vpc-cni"] == {"enableNetworkPolicy": "true"}
    watching = configured["amazon-cloudwatch-observability"]
    measured = watching["agent"]["config"]["logs"]["metrics_collected"]["kubernetes"]
    assert measured == {"enhanced_container_insights": True}
    # No sidecar containers are injected into the pods.
    signals = watching["manager"]["applicationSignals"]
    assert signals == {"autoMonitor": {"monitorAllServices": False}}
    driver = configured["aws-secrets-store-csi-driver-provider"]["secrets-store-csi-driver"]
    assert driver["syncSecret"] == {"enabled": True}


def test_what_a_workload_prints_goes_to_its_own_log_group():
    addon = _addons(run(EKS_FULL))["amazon-cloudwatch-observability"]
    logs = json.loads(addon.inputs["configurationValues"])["containerLogs"]
    pipeline = logs["fluentBit"]["config"]["extraFiles"]["application-log.conf"]
    assert logs["enabled"] is True
    sections = [
        dict(line.split(maxsplit=1) for line in section.splitlines()[1:])
        for section in re.split(r"^\[", pipeline, flags=re.MULTILINE)
        if section
    ]
    fleet_logs = ",".join(
        f"/var/log/containers/*_{namespace}_*.log" for namespace in ("mcp", "records", "payments")
    )
    inputs = [each for each in sections if each["Name"] == "tail"]
    assert [each.get("Exclude_Path") for each in inputs] == [None, fleet_logs]
    assert inputs[0]["Path"] == fleet_logs
    own, other = (each for each in sections if each["Name"] == "cloudwatch_logs")
    # A container has the name of its workload. Only the program creates log groups.
    assert own["log_group_template"] == "/mcp-platform/dev/$kubernetes['container_name']"
    assert own["log_key"] == "log"
    # The add-on passes the name of the cluster to Fluent Bit.
    rest = "/aws/containerinsights/${CLUSTER_NAME}/application"
    assert (own["log_group_name"], other["log_group_name"]) == (rest, rest)
    assert {own["auto_create_group"], other["auto_create_group"]} == {"false"}


def _associated(recording: Recording) -> dict[str, list[tuple[str, str]]]:
    """The service accounts of add-ons with a role, each with the role's logical name."""
    roles = {made.state["arn"]: made.name for made in recording.of("iam.Role")}
    return {
        name: [
            (each["serviceAccount"], roles[each["roleArn"]])
            for each in addon.inputs["podIdentityAssociations"]
        ]
        for name, addon in _addons(recording).items()
        if "podIdentityAssociations" in addon.inputs
    }


def test_only_add_ons_that_use_aws_are_given_a_role():
    assert _associated(run(EKS_MANAGED)) == {
        "vpc-cni": [("aws-node", "eks-base-vpc-cni-role")],
        "amazon-cloudwatch-observability": [
            ("cloudwatch-agent", "eks-base-amazon-cloudwatch-observability-role")
        ],
    }
    assert _associated(run(EKS)).keys() == {"amazon-cloudwatch-observability"}


@pytest.mark.parametrize(
    ("addon", "policy"),
    [
        ("vpc-cni", "AmazonEKS_CNI_Policy"),
        ("amazon-cloudwatch-observability", "CloudWatchAgentServerPolicy"),
    ],
)
def test_an_add_on_has_awss_own_policy_before_it_runs(addon: str, policy: str):
    recording = run(EKS_MANAGED)
    attachment = recording.one("iam.RolePolicyAttachment", f"eks-base-{addon}-policy")
    role = recording.one("iam.Role", f"eks-base-{addon}-role")
    assert attachment.inputs == {
        "role": role.state["name"],
        "policyArn": f"arn:aws:iam::aws:policy/{policy}",
    }
    assert attachment.urn in _addons(recording)[addon].dependencies


def test_the_driver_of_files_mounts_those_of_the_fleet_and_no_others():
    recording = run(EKS_FULL)
    policy = recording.one("iam.RolePolicy", "eks-base-aws-efs-csi-driver-role-policy")
    (statement,) = policy.json("policy")["Statement"]
    assert statement["Action"] == [
        "elasticfilesystem:ClientMount",
        "elasticfilesystem:ClientWrite",
    ]
    assert statement["Resource"] == [recording.one("efs.FileSystem").state["arn"]]
    points = statement["Condition"]["ArnEquals"]["elasticfilesystem:AccessPointArn"]
    assert sorted(points) == sorted(made.state["arn"] for made in recording.of("efs.AccessPoint"))
    identity = recording.one("eks.PodIdentityAssociation", "eks-base-aws-efs-csi-driver-identity")
    assert identity.inputs == {
        "clusterName": NAME,
        "namespace": "kube-system",
        "serviceAccount": "efs-csi-node-sa",
        "roleArn": recording.one("iam.Role", "eks-base-aws-efs-csi-driver-role").state["arn"],
    }
    dependencies = _addons(recording)["aws-efs-csi-driver"].dependencies
    assert {policy.urn, identity.urn} <= set(dependencies)


CONTROLLER = "eks-base-aws-load-balancer-controller"
AUTOSCALER = "eks-base-cluster-autoscaler"


def test_auto_mode_has_its_own_controllers():
    recording = run(EKS_FULL)
    assert {made.inputs["chart"] for made in recording.of("kubernetes.Release")} == {
        CHARTS[chart].name for chart in ("istio-base", "istiod", "istio-cni", "ztunnel")
    }
    taken = {made.inputs["serviceAccount"] for made in recording.of("eks.PodIdentityAssociation")}
    assert taken.isdisjoint({"aws-load-balancer-controller", "cluster-autoscaler"})


@pytest.mark.parametrize("name", [CONTROLLER, AUTOSCALER])
def test_beside_managed_nodes_a_controller_is_installed_once_it_has_its_role(name: str):
    recording = run(EKS_MANAGED)
    assert recording.names("kubernetes.Release") == [CONTROLLER, AUTOSCALER]
    release, account = recording.one("kubernetes.Release", name), name.removeprefix("eks-base-")
    chart = CHARTS[account]
    inputs = dict(release.inputs)
    del inputs["values"], inputs["compat"]
    assert inputs == {
        "name": account,
        "namespace": "kube-system",
        "chart": chart.name,
        "version": chart.version,
        "repositoryOpts": {"repo": chart.repository},
        "atomic": True,
    }
    identity = recording.one("eks.PodIdentityAssociation", f"{name}-identity")
    assert identity.inputs == {
        "clusterName": NAME,
        "namespace": "kube-system",
        "serviceAccount": account,
        "roleArn": recording.one("iam.Role", f"{name}-role").state["arn"],
    }
    policy = recording.one("iam.RolePolicy", f"{name}-role-policy")
    assert {identity.urn, policy.urn} <= set(release.dependencies)


def test_the_controller_of_load_balancers_makes_none():
    recording = run(EKS_MANAGED)
    assert recording.one("kubernetes.Release", CONTROLLER).inputs["values"] == {
        "clusterName": NAME,
        "region": "us-east-1",
        "vpcId": recording.one("awsx.Vpc").state["vpcId"],
        "serviceAccount": {"name": "aws-load-balancer-controller"},
        "enableServiceMutatorWebhook": False,
        "createIngressClassResource": False,
        "controllerConfig": {"featureGates": {"ALBGatewayAPI": False, "NLBGatewayAPI": False}},
    }


def test_the_autoscaler_resizes_the_groups_of_this_cluster_alone():
    recording = run(EKS_MANAGED)
    assert recording.one("kubernetes.Release", AUTOSCALER).inputs["values"] == {
        "cloudProvider": "aws",
        "awsRegion": "us-east-1",
        "autoDiscovery": {"clusterName": NAME},
        "rbac": {"serviceAccount": {"name": "cluster-autoscaler"}},
        "fullnameOverride": "cluster-autoscaler",
    }
    policy = recording.one("iam.RolePolicy", f"{AUTOSCALER}-role-policy").json("policy")
    see, see_own, resize = policy["Statement"]
    assert {action.split(":")[1][:3] for action in see["Action"]} == {"Des", "Get"}
    account = "us-east-1:123456789012"
    assert (see_own["Action"], see_own["Resource"]) == (
        ["eks:DescribeNodegroup"],
        [f"arn:aws:eks:{account}:nodegroup/{NAME}/*"],
    )
    assert resize["Resource"] == [
        f"arn:aws:autoscaling:{account}:autoScalingGroup:*:autoScalingGroupName/eks-*"
    ]
    assert resize["Action"] == [
        "autoscaling:SetDesiredCapacity",
        "autoscaling:TerminateInstanceInAutoScalingGroup",
    ]
    assert resize["Condition"] == {"StringEquals": {"aws:ResourceTag/eks:cluster-name": NAME}}


def test_the_controller_registers_pods_in_the_fleets_target_groups_alone():
    recording = run(EKS_MANAGED)
    policy = recording.one("iam.RolePolicy", f"{CONTROLLER}-role-policy").json("policy")
    find, register = policy["Statement"]
    assert {action.split(":")[1][:8] for action in find["Action"]} == {"Describe"}
    assert register["Action"] == [
        "elasticloadbalancing:DeregisterTargets",
        "elasticloadbalancing:RegisterTargets",
    ]
    groups = [made.state["arn"] for made in recording.of("lb.TargetGroup")]
    assert len(groups) == 4
    assert sorted(register["Resource"]) == sorted(groups)


def test_where_nothing_is_behind_the_gateway_the_controller_registers_nothing():
    hidden = {"clock": {**EKS["servers"]["clock"], "expose": False}}
    recording = run({**EKS, "servers": hidden, "cluster": {"nodes": "managed"}})
    policy = recording.one("iam.RolePolicy", f"{CONTROLLER}-role-policy").json("policy")
    assert [each["Sid"] for each in policy["Statement"]] == ["FindTargets"]


def test_in_an_existing_cluster_no_resource_of_its_owner_is_created():
    recording = run(EKS_EXISTING)
    base = recording.one("mcp-platform.Base")
    assert recording.children(base) == []
    for kind in (
        "eks.Cluster",
        "eks.Addon",
        "eks.ManagedNodeGroup",
        "kubernetes.NodePool",
        "kubernetes.Release",
    ):
        assert recording.of(kind) == []
    groups = {made.inputs["name"] for made in recording.of("cloudwatch.LogGroup")}
    assert all(group.startswith("/mcp-platform/dev/") for group in groups)
    assert recording.names("kubernetes.Deployment") == [
        "eks-assistant-deployment",
        "eks-notes-deployment",
    ]


def test_an_existing_cluster_is_looked_up_by_name_and_allows_ingress_from_the_gateway():
    recording = run(EKS_EXISTING)
    tokens = [token for token, _ in recording.invokes]
    assert tokens.count("aws:eks/getCluster:getCluster") == 1
    rules = recording.of("vpc.SecurityGroupIngressRule")
    (rule,) = (made.inputs for made in rules if made.name == "eks-gateway-to-routed-in")
    assert rule["securityGroupId"] == EXISTING_CLUSTER["vpcConfig"]["clusterSecurityGroupId"]
    assert rule["securityGroupId"] != CLUSTER_GROUP


def test_two_stacks_in_one_cluster_share_no_object_but_namespaces_of_the_same_name():
    of_stacks = [
        {
            (made.kind, made.inputs["metadata"]["name"])
            for made in _in_cluster(run(EKS_EXISTING, stack_name=stack_name))
            if "namespace" not in made.inputs["metadata"]
        }
        for stack_name in ("dev", "prod")
    ]
    assert of_stacks[0] & of_stacks[1] == {("kubernetes.Namespace", "mcp")}
    assert len(of_stacks[0]) == len(of_stacks[1]) == 3


def test_the_mesh_is_installed_in_the_required_order():
    recording = run(EKS_FULL)
    home = recording.one("kubernetes.Namespace", "eks-base-mesh-namespace")
    assert home.inputs["metadata"] == {
        "name": "istio-system",
        "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
    }
    before = home
    values = {
        "istio-base": {},
        "istiod": {"profile": "ambient"},
        "istio-cni": {"profile": "ambient"},
        "ztunnel": {},
    }
    for key, expected in values.items():
        release = recording.one("kubernetes.Release", f"eks-base-mesh-{key}")
        assert release.inputs["namespace"] == "istio-system"
        assert release.inputs["chart"] == CHARTS[key].name
        assert release.inputs["version"] == CHARTS[key].version
        assert release.inputs["repositoryOpts"] == {"repo": CHARTS[key].repository}
        assert release.inputs.get("values", {}) == expected
        assert before.urn in release.dependencies
        before = release
    assert before.urn in recording.one("kubernetes.Deployment", "eks-clock-deployment").dependencies


def test_without_a_mesh_none_is_installed():
    assert run(EKS_EXAMPLE).of("kubernetes.Release") == []


def test_flux_is_installed_with_no_more_than_fetches_and_applies():
    recording = run(EKS_FLUX)
    release, chart = recording.one("kubernetes.Release"), CHARTS["flux"]
    assert release.inputs["namespace"] == "flux-system"
    assert (release.inputs["chart"], release.inputs["version"]) == (chart.name, chart.version)
    assert release.inputs["values"] == {
        f"{controller}Controller": {"create": False}
        for controller in ("helm", "imageAutomation", "imageReflection", "notification")
    }


def test_flux_follows_the_branch_and_the_path_of_the_rendered_manifests():
    recording = run(EKS_FLUX)
    repository = recording.one("kubernetes.GitRepository")
    metadata = {"name": LABEL, "namespace": "flux-system"}
    assert repository.inputs["metadata"] == metadata
    assert repository.inputs["spec"] == {
        "interval": "5m",
        "url": "https://github.com/example/fleet.git",
        "ref": {"branch": "live"},
    }
    manifests = recording.one("kubernetes.Kustomization")
    assert manifests.inputs["metadata"] == metadata
    assert manifests.inputs["spec"] == {
        "interval": "5m",
        "path": "./rendered/dev",
        "prune": True,
        "wait": True,
        "sourceRef": {"kind": "GitRepository", "name": LABEL},
    }
    assert recording.one("kubernetes.Release").urn in repository.dependencies
    assert repository.urn in manifests.dependencies
    # Its pods are deleted before it; the pods of notes have 335 s to stop.
    assert manifests.timeouts["delete"] == f"{900 + 335}s"


@pytest.mark.parametrize(
    ("repository", "secret"),
    [
        ("https://github.com/example/fleet.git", None),
        ("ssh://git@github.com/example/fleet.git", {"name": LABEL}),
    ],
)
def test_flux_signs_in_where_the_repository_is_reached_over_ssh(
    repository: str, secret: dict[str, str] | None
):
    fleet = {**EKS_FLUX, "gitops": {**EKS_FLUX["gitops"], "repository": repository}}
    spec = run(fleet).one("kubernetes.GitRepository").inputs["spec"]
    assert (spec["url"], spec.get("secretRef")) == (repository, secret)


def test_in_a_cluster_that_exists_flux_is_its_owners_and_only_pointed_at_the_manifests():
    recording = run({**EKS_EXISTING, "gitops": EKS_FLUX["gitops"]})
    assert recording.of("kubernetes.Release") == []
    assert len(recording.of("kubernetes.GitRepository")) == 1
    assert len(recording.of("kubernetes.Kustomization")) == 1


def test_argo_cd_is_a_capability_whose_users_are_those_of_identity_center():
    recording = run(EKS_ARGOCD)
    capability = recording.one("eks.Capability")
    (role,) = (made for made in recording.of("iam.Role") if made.name.endswith("argocd-role"))
    assert capability.inputs == {
        "clusterName": NAME,
        "capabilityName": "argocd",
        "type": "ARGOCD",
        "roleArn": role.state["arn"],
        "deletePropagationPolicy": "RETAIN",
        "configuration": {
            "argoCd": {
                "namespace": "argocd",
                "awsIdc": {
                    "idcInstanceArn": "arn:aws:sso:::instance/ssoins-1234567890abcdef",
                    "idcRegion": "us-east-1",
                },
                "rbacRoleMappings": [
                    {
                        "role": "ADMIN",
                        "identities": [
                            {"id": "12345678-90ab-cdef-1234-567890abcdef", "type": "SSO_GROUP"}
                        ],
                    }
                ],
            }
        },
    }
    access = recording.one("eks.AccessPolicyAssociation")
    assert access.inputs == {
        "clusterName": NAME,
        "principalArn": role.state["arn"],
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        "accessScope": {"type": "cluster"},
    }
    assert capability.urn in access.dependencies


def test_argo_cd_finds_identity_center_where_it_is():
    center = {**EKS_ARGOCD["gitops"]["identity_center"], "region": "eu-west-1"}
    fleet = {**EKS_ARGOCD, "gitops": {**EKS_ARGOCD["gitops"], "identity_center": center}}
    configuration = run(fleet).one("eks.Capability").inputs["configuration"]
    assert configuration["argoCd"]["awsIdc"]["idcRegion"] == "eu-west-1"


def test_argo_cd_without_groups_has_no_administrators():
    center = {"instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef"}
    fleet = {**EKS_ARGOCD, "gitops": {**EKS_ARGOCD["gitops"], "identity_center": center}}
    configuration = run(fleet).one("eks.Capability").inputs["configuration"]
    assert configuration["argoCd"].get("rbacRoleMappings") is None


def test_argo_cd_follows_the_branch_and_the_path_and_takes_away_what_it_made():
    recording = run(EKS_ARGOCD)
    here = recording.one("kubernetes.Secret")
    assert here.inputs["metadata"] == {
        "name": LABEL,
        "namespace": "argocd",
        "labels": {"argocd.argoproj.io/secret-type": "cluster"},
    }
    application = recording.one("kubernetes.Application")
    assert application.inputs["metadata"] == {
        "name": LABEL,
        "namespace": "argocd",
        "finalizers": ["resources-finalizer.argocd.argoproj.io"],
    }
    assert application.inputs["spec"] == {
        "project": "default",
        "source": {
            "repoURL": "https://github.com/example/fleet.git",
            "targetRevision": "main",
            "path": "rendered/dev",
            "directory": {"recurse": True},
        },
        "destination": {"name": LABEL},
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": ["PruneLast=true"],
        },
    }
    assert application.timeouts["delete"] == f"{900 + 335}s"
    access = recording.one("eks.AccessPolicyAssociation")
    assert {access.urn, here.urn} <= set(application.dependencies)


def test_a_workload_waits_for_nodes_and_add_ons():
    recording = run(EKS_MANAGED)
    needed = {
        made.urn
        for kind in ("eks.ManagedNodeGroup", "eks.Addon", "kubernetes.Release")
        for made in recording.of(kind)
    }
    # The nodes already depend on these add-ons.
    before = {made.urn for name, made in _addons(recording).items() if name in BEFORE_NODES}
    deployment = recording.one("kubernetes.Deployment", "eks-notes-deployment")
    assert needed - before <= set(deployment.dependencies)
    assert len(needed - before) == 9


@pytest.mark.parametrize("production", [False, True])
def test_the_logs_of_the_cluster_outlive_it_in_production(production: bool):
    groups = {
        made.name: made
        for made in run({**EKS, "production": production}).of("cloudwatch.LogGroup")
        if made.name.startswith("eks")
    }
    assert groups.keys() == {
        "eks-control-plane-logs",
        *(f"eks-base-{what}-logs" for what in ("application", "dataplane", "host", "performance")),
    }
    for made in groups.values():
        assert made.retain_on_delete is production
        # With protection, the fleet could not move from EKS to another target.
        assert not made.protect
