"""The EKS reader: processes and edges of Deployments in test clouds."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.serve.fleet import GATEWAY, OPERATOR, DeployedError, Process
from sandbox.serve.readers import eks
from sandbox.serve.readers.pods import expanded
from sandbox.tests.clusters import put
from sandbox.tests.serve.deployed import (
    ACCOUNT,
    DECRYPT,
    DNS_NAME,
    MOUNT,
    READ,
    REGION,
    SECRET,
    SUBNETS,
    allow,
    files,
    network,
    opened,
    role,
    role_arn,
    routed,
    secret,
    target_group,
)

OWNER = "kubernetes@https://fleet"
PODS = "pods.eks.amazonaws.com"
IMAGE = "registry/clock@sha256:1"
MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/m"
POLICY = "networking.k8s.io/v1:NetworkPolicy"
BINDING = "eks.amazonaws.com/v1:TargetGroupBinding"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    network(cloud)
    put(
        cloud,
        "eks/cluster:Cluster",
        "fleet",
        name="fleet",
        arn=f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/fleet",
        endpoint="https://fleet",
        vpcConfig={"clusterSecurityGroupId": "sg-nodes", "subnetIds": list(SUBNETS)},
    )
    return cloud


def _object(
    cloud: Cloud, kind: str, name: str, spec: Any = None, *, namespace: str = "mcp", **more: Any
) -> None:
    labels = more.pop("labels", {})
    metadata = {"name": name, "labels": labels} | ({"namespace": namespace} if namespace else {})
    cloud.put(
        StoredResource(
            provider=OWNER,
            type=f"kubernetes:{kind}",
            id=f"{namespace}/{name}" if namespace else name,
            inputs={},
            properties={"metadata": metadata, "spec": spec or {}, **more},
        )
    )


def _deployment(
    cloud: Cloud,
    name: str,
    *containers: Mapping[str, Any],
    namespace: str = "mcp",
    pod: Mapping[str, Any] | None = None,
    **spec: Any,
) -> None:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"serviceAccountName": name, "containers": list(containers), **(pod or {})},
    }
    _object(cloud, "apps/v1:Deployment", name, {"template": template, **spec}, namespace=namespace)


def _container(name: str, **fields: Any) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 8080}]
    return {"name": name, "image": IMAGE, "ports": ports, **fields}


def _only(cloud: Cloud, pod: Mapping[str, Any] | None = None, **container: Any) -> Process:
    """The process of a Deployment with one container."""
    _deployment(cloud, "clock", _container("clock", **container), pod=pod)
    (process,) = eks.read(cloud).processes
    return process


def _associate(cloud: Cloud, account: str, arn: str, namespace: str = "mcp") -> None:
    put(
        cloud,
        "eks/podIdentityAssociation:PodIdentityAssociation",
        f"a-{namespace}-{account}",
        clusterName="fleet",
        namespace=namespace,
        serviceAccount=account,
        roleArn=arn,
    )


def test_a_container_of_which_little_is_said_is_what_kubernetes_makes_of_it(cloud: Cloud) -> None:
    assert _only(cloud) == Process(
        name="clock",
        image=IMAGE,
        port=8080,
        health_path=None,
        health_seconds=60,
        stop_seconds=30,
        replicas=1,
        kind="pod",
    )


def test_a_container_is_run_as_its_pod_says(cloud: Cloud) -> None:
    process = _only(
        cloud,
        {"terminationGracePeriodSeconds": 95},
        command=["python"],
        args=["-m", "server", "--name=$(A)", "$(B)", "$$(A)"],
        env=[{"name": "A", "value": "1"}, {"name": "C", "value": "$(A)-$(D)"}, {"name": "D"}],
        readinessProbe={"httpGet": {"path": "/ready", "port": 8080}},
        livenessProbe={"httpGet": {"path": "/live", "port": 8080}},
        startupProbe={"httpGet": {"path": "/"}, "periodSeconds": 5, "failureThreshold": 12},
        lifecycle={"preStop": {"sleep": {"seconds": 30}}},
    )
    assert process == Process(
        name="clock",
        image=IMAGE,
        entry_point=("python",),
        arguments=("-m", "server", "--name=1", "$(B)", "$(A)"),
        environment={"A": "1", "C": "1-$(D)", "D": ""},
        port=8080,
        health_path="/ready",
        health_seconds=60,
        stop_seconds=65,
        replicas=1,
        kind="pod",
    )


@pytest.mark.parametrize(
    ("probe", "seconds"),
    [
        ({"periodSeconds": 5, "failureThreshold": 12}, 60),
        ({"periodSeconds": 5, "failureThreshold": 12, "initialDelaySeconds": 7}, 67),
        ({"httpGet": {"path": "/"}}, 30),
    ],
)
def test_a_startup_probe_says_how_long_a_start_may_take(
    cloud: Cloud, probe: Mapping[str, Any], seconds: float
) -> None:
    assert _only(cloud, startupProbe=probe).health_seconds == seconds


def test_a_pod_that_sleeps_through_its_grace_period_is_killed_at_once(cloud: Cloud) -> None:
    sleep = {"preStop": {"sleep": {"seconds": 40}}}
    assert _only(cloud, lifecycle=sleep).stop_seconds == 0


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B)", "$(B)"),
        ("$A", "$A"),
        ("a$(A)b$(A)", "a1b1"),
    ],
)
def test_references_to_variables_are_expanded_as_kubernetes_does(text: str, result: str) -> None:
    assert expanded(text, {"A": "1"}) == result


def test_further_containers_of_a_pod_are_named_by_it(cloud: Cloud) -> None:
    proxy = {"name": "proxy", "image": IMAGE, "ports": [{"containerPort": 9000}]}
    _deployment(cloud, "clock", _container("main"), proxy, {"name": "quiet", "image": IMAGE})
    deployed = eks.read(cloud)
    assert [(one.name, one.port) for one in deployed.processes] == [
        ("clock", 8080),
        ("clock/proxy", 9000),
        ("clock/quiet", None),
    ]
    assert deployed.resolve("clock/quiet", "localhost", 9000) == "clock/proxy"
    assert deployed.resolve("clock", "127.0.0.1", 8080) == "clock"
    assert deployed.resolve("clock", "[::1]", 8080) == "clock"
    assert deployed.resolve("clock", "localhost", 9001) is None
    assert deployed.refusal("clock", "clock/proxy", 9000) is None


@pytest.mark.parametrize(
    ("replicas", "expected"), [(None, 2), (0, 0), (1, 2), (2, 2), (4, 4), (5, 4)]
)
def test_an_autoscaler_brings_the_replicas_between_its_bounds(
    cloud: Cloud, replicas: int | None, expected: int
) -> None:
    given: dict[str, Any] = {} if replicas is None else {"replicas": replicas}
    _deployment(cloud, "clock", _container("clock"), **given)
    assert eks.read(cloud).processes[0].replicas == (1 if replicas is None else replicas)
    kind = "autoscaling/v2:HorizontalPodAutoscaler"
    for name, namespace, least in (("clock", "other", 9), ("other", "mcp", 9), ("clock", "mcp", 2)):
        target = {"kind": "Deployment", "name": name}
        spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": max(least, 4)}
        _object(cloud, kind, f"{name}", spec, namespace=namespace)
    assert eks.read(cloud).processes[0].replicas == expected


def test_a_cloud_without_deployments_is_said(cloud: Cloud) -> None:
    with pytest.raises(DeployedError, match=r"in 0 clusters \(none\); exactly one EKS cluster is"):
        eks.read(cloud)


def test_deployments_of_a_cluster_that_is_none_of_eks_are_said(cloud: Cloud) -> None:
    _deployment(cloud, "clock", _container("clock"))
    cloud.delete("aws", "aws:eks/cluster:Cluster", "fleet")
    with pytest.raises(DeployedError, match=rf"1 clusters \({OWNER}\); exactly one .* of none"):
        eks.read(cloud)


def test_deployments_of_the_same_name_are_said(cloud: Cloud) -> None:
    for namespace in ("mcp", "records"):
        _deployment(cloud, "clock", _container("clock"), namespace=namespace)
    with pytest.raises(DeployedError, match=r"same name \(mcp/clock, records/clock\)"):
        eks.read(cloud)


def test_variables_come_from_secrets_config_maps_and_fields(cloud: Cloud) -> None:
    encoded = base64.b64encode(b"s").decode()
    _object(cloud, "core/v1:Secret", "keys", data={"K": encoded}, stringData={"L": "t"})
    _object(cloud, "core/v1:ConfigMap", "all", data={"X": "x", "Y": "y"})
    # Objects in another namespace do not apply.
    _object(cloud, "core/v1:Secret", "far", namespace="other", data={"K": encoded})

    def reference(name: str, **source: Any) -> Mapping[str, Any]:
        return {"name": name, "valueFrom": source}

    process = _only(
        cloud,
        envFrom=[
            {"configMapRef": {"name": "all"}, "prefix": "P_"},
            {"secretRef": {"name": "keys"}},
            {"secretRef": {"name": "far", "optional": True}},
        ],
        env=[
            reference("S", secretKeyRef={"name": "keys", "key": "K"}),
            reference("C", configMapKeyRef={"name": "all", "key": "X"}),
            reference("NONE", configMapKeyRef={"name": "all", "key": "Z", "optional": True}),
            reference("NAME", fieldRef={"fieldPath": "metadata.name"}),
            reference("NAMESPACE", fieldRef={"fieldPath": "metadata.namespace"}),
            reference("ACCOUNT", fieldRef={"fieldPath": "spec.serviceAccountName"}),
            reference("IP", fieldRef={"fieldPath": "status.podIP"}),
            {"name": "AFTER", "value": "$(C)"},
        ],
    )
    assert process.environment == {
        "P_X": "x",
        "P_Y": "y",
        "K": "s",
        "L": "t",
        "S": "s",
        "C": "x",
        "NAME": "clock",
        "NAMESPACE": "mcp",
        "ACCOUNT": "clock",
        "IP": "127.0.0.1",
        "AFTER": "x",
    }


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            {"secretKeyRef": {"name": "keys", "key": "K"}},
            "clock: the variable V of clock: CreateContainerConfigError: Secret mcp/keys not found",
        ),
        (
            {"configMapKeyRef": {"name": "all", "key": "Z"}},
            "clock: the variable V of clock: CreateContainerConfigError: couldn't find key Z in "
            "ConfigMap mcp/all",
        ),
        (
            {"fieldRef": {"fieldPath": "metadata.uid"}},
            "clock: the variable V of clock: the sandbox does not support the field metadata.uid. "
            "Supported: "
            "metadata.name, metadata.namespace, spec.serviceAccountName, status.hostIP, "
            "status.podIP",
        ),
        (
            {"resourceFieldRef": {"resource": "limits.cpu"}},
            "clock: the variable V of clock: the sandbox does not support valueFrom "
            "resourceFieldRef",
        ),
    ],
)
def test_a_variable_without_a_value_keeps_the_pod_from_starting(
    cloud: Cloud, source: Mapping[str, Any], reason: str
) -> None:
    _object(cloud, "core/v1:ConfigMap", "all", data={"X": "x"})
    with pytest.raises(DeployedError) as error:
        _only(cloud, env=[{"name": "V", "valueFrom": source}])
    assert str(error.value) == reason


@pytest.mark.parametrize("kind", ["secretRef", "configMapRef"])
def test_all_variables_of_what_is_not_there_keep_the_pod_from_starting(
    cloud: Cloud, kind: str
) -> None:
    with pytest.raises(DeployedError, match="mcp/gone not found"):
        _only(cloud, envFrom=[{kind: {"name": "gone"}}])


def _synced(
    cloud: Cloud, *statements: Mapping[str, Any], by: str = PODS, **asked: Any
) -> Mapping[str, str]:
    """The variables of a pod whose Secret the CSI driver creates."""
    _associate(cloud, "clock", role(cloud, "pod", *statements, service=by))
    objects = [
        {"objectName": SECRET, "objectType": "secretsmanager", "objectAlias": "KEY", **asked}
    ]
    item = {"key": "KEY", "objectName": "KEY"}
    spec = {
        "provider": "aws",
        "parameters": {"objects": json.dumps(objects), "usePodIdentity": "true"},
        "secretObjects": [{"secretName": "clock-1", "data": [item]}],
    }
    _object(cloud, "secrets-store.csi.x-k8s.io/v1:SecretProviderClass", "clock-1", spec)
    driver = {
        "driver": "secrets-store.csi.k8s.io",
        "volumeAttributes": {"secretProviderClass": "clock-1"},
    }
    reference = {"secretKeyRef": {"name": "clock-1", "key": "KEY"}}
    return _only(
        cloud,
        {"volumes": [{"name": "secrets", "csi": driver}]},
        env=[{"name": "KEY", "valueFrom": reference}],
    ).environment


def test_secrets_come_through_the_driver_by_the_role_of_the_pod(cloud: Cloud) -> None:
    secret(cloud, "old", version="v1", stages=["AWSPREVIOUS"])
    secret(cloud, "new", version="v2")
    assert _synced(cloud, READ, DECRYPT) == {"KEY": "new"}
    assert _synced(cloud, READ, DECRYPT, objectVersion="v1") == {"KEY": "old"}
    assert _synced(cloud, READ, DECRYPT, objectVersionLabel="AWSPREVIOUS") == {"KEY": "old"}


def test_a_permission_may_hang_on_the_tags_of_the_pods_session(cloud: Cloud) -> None:
    secret(cloud, "value")

    def read(namespace: str) -> Mapping[str, Any]:
        tag = {"aws:PrincipalTag/kubernetes-namespace": namespace}
        return {**READ, "Condition": {"StringEquals": tag}}

    assert _synced(cloud, read("mcp"), DECRYPT) == {"KEY": "value"}
    with pytest.raises(DeployedError, match="AccessDenied"):
        _synced(cloud, read("other"), DECRYPT)


def test_a_secret_is_refused_without_the_permission_of_the_pods_role(cloud: Cloud) -> None:
    secret(cloud, "value")
    with pytest.raises(DeployedError) as error:
        _synced(cloud, DECRYPT)
    assert str(error.value) == (
        "clock: SecretProviderClass mcp/clock-1: MountVolume.SetUp failed: failed to fetch secret "
        f"from all regions: AccessDeniedException: {role_arn('pod')} is not authorized to perform: "
        f"secretsmanager:GetSecretValue on resource: {SECRET} because no identity-based policy "
        "allows the secretsmanager:GetSecretValue action"
    )


def test_a_pod_has_no_role_that_pod_identity_may_not_take(cloud: Cloud) -> None:
    secret(cloud, "value")
    with pytest.raises(
        DeployedError, match="no Pod Identity association gives the service account"
    ):
        _synced(cloud, READ, DECRYPT, by="ecs-tasks.amazonaws.com")


def test_a_secret_of_what_is_not_mounted_is_said(cloud: Cloud) -> None:
    secret(cloud, "value")
    with pytest.raises(DeployedError, match="secretObjects use KEY, which is not mounted"):
        _synced(cloud, READ, DECRYPT, objectAlias="OTHER")


def _mounting(
    cloud: Cloud, *, options: Sequence[str] = ("iam",), handle: str = "fs-1::fsap-1", **mount: Any
) -> Mapping[str, str]:
    _object(cloud, "core/v1:PersistentVolumeClaim", "notes", {"volumeName": "pv"})
    source = {"driver": "efs.csi.aws.com", "volumeHandle": handle}
    spec = {"csi": source, "mountOptions": list(options)}
    _object(cloud, "core/v1:PersistentVolume", "pv", spec, namespace="")
    volumes: list[Mapping[str, Any]] = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "files", "persistentVolumeClaim": {"claimName": "notes"}},
    ]
    mounts = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container
        {"name": "files", "mountPath": "/data", **mount},
    ]
    return _only(cloud, {"volumes": volumes}, volumeMounts=mounts).files


@pytest.fixture
def mountable(cloud: Cloud) -> Cloud:
    files(cloud)
    opened(cloud, "sg-nodes", "sg-files", 2049)
    driver = role(cloud, "driver", MOUNT, service=PODS)
    _associate(cloud, "efs-csi-node-sa", driver, "kube-system")
    return cloud


def test_files_are_the_folder_of_the_volumes_access_point(mountable: Cloud) -> None:
    assert _mounting(mountable) == {"/data": "fs-1/notes"}
    assert _mounting(mountable, subPath="a/b") == {"/data": "fs-1/notes/a/b"}


def test_files_are_mounted_with_the_role_of_the_driver_and_not_with_that_of_the_pod(
    mountable: Cloud,
) -> None:
    _associate(mountable, "clock", role(mountable, "pod", MOUNT, service=PODS))
    role(mountable, "driver", allow("s3:*", "*"), service=PODS)
    with pytest.raises(DeployedError, match=f"{role_arn('driver')} is not authorized to perform"):
        _mounting(mountable)


def test_files_are_refused_to_a_driver_without_a_role(mountable: Cloud) -> None:
    kind = "efs/fileSystemPolicy:FileSystemPolicy"
    put(mountable, kind, "fs-1", fileSystemId="fs-1", policy='{"Statement": []}')
    with pytest.raises(DeployedError, match=r"clock cannot mount fs-1: .* without a role is not"):
        _mounting(mountable, options=[])


def test_files_are_refused_where_the_nodes_cannot_reach_them(mountable: Cloud) -> None:
    kind = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    mountable.delete("aws", kind, "sgr-Ingress-sg-nodes-sg-files-2049")
    with pytest.raises(DeployedError, match="no ingress rule for TCP port 2049 from clock"):
        _mounting(mountable)


def test_a_claim_of_another_kind_of_volume_is_said(cloud: Cloud) -> None:
    _object(cloud, "core/v1:PersistentVolumeClaim", "notes", {"volumeName": "ebs"})
    _object(cloud, "core/v1:PersistentVolume", "ebs", {"csi": {"driver": "x"}}, namespace="")
    volumes = [{"name": "files", "persistentVolumeClaim": {"claimName": "notes"}}]
    mounts = [{"name": "files", "mountPath": "/data"}]
    with pytest.raises(
        DeployedError, match="clock: the claim mcp/notes is bound to ebs, which does"
    ):
        _only(cloud, {"volumes": volumes}, volumeMounts=mounts)


def _service(
    cloud: Cloud, name: str, *ports: Mapping[str, Any], namespace: str = "mcp", **spec: Any
) -> None:
    offered = list(ports) or [{"port": 80, "targetPort": "http", "name": "web"}]
    given = {"selector": {"app": name}, "ports": offered, **spec}
    _object(cloud, "core/v1:Service", name, given, namespace=namespace)


def _let(cloud: Cloud, name: str, spec: Mapping[str, Any], namespace: str = "mcp") -> None:
    _object(cloud, POLICY, name, spec, namespace=namespace)


@pytest.fixture
def fleet(cloud: Cloud) -> Cloud:
    """An agent, a server behind the gateway, another team's server; the agent reaches the first."""
    namespaces = {"agent": "mcp", "clock": "mcp", "notes": "records"}
    for name, namespace in namespaces.items():
        _deployment(cloud, name, _container(name), namespace=namespace)
        _service(cloud, name, namespace=namespace)
    for namespace in ("mcp", "records"):
        _object(cloud, "core/v1:Namespace", namespace, namespace="")
        types: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        _let(cloud, "default-deny", types, namespace)
    agent, clock = ({"matchLabels": {"app": name}} for name in ("agent", "clock"))
    port = [{"port": 8080}]
    _let(
        cloud,
        "uses",
        {
            "podSelector": agent,
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"podSelector": clock}], "ports": port}],
        },
    )
    blocks = [{"ipBlock": {"cidr": block}} for block in SUBNETS.values()]
    _let(
        cloud,
        "used",
        {
            "podSelector": clock,
            "ingress": [
                {"from": [{"podSelector": agent}], "ports": port},
                {"from": blocks, "ports": port},
            ],
        },
    )
    data = {"enable-network-policy-controller": "true"}
    _object(cloud, "core/v1:ConfigMap", "amazon-vpc-cni", namespace="kube-system", data=data)
    routed(cloud, "clock")
    _bind(cloud, "clock", 80)
    opened(cloud, "sg-alb", "sg-nodes", 8080)
    return cloud


def _bind(cloud: Cloud, service: str, port: int | str) -> None:
    reference = {"name": service, "port": port}
    spec = {"targetGroupARN": target_group(service), "serviceRef": reference}
    _object(cloud, BINDING, service, spec)


def test_the_entry_and_the_region_are_those_of_the_deployed_fleet(fleet: Cloud) -> None:
    deployed = eks.read(fleet)
    assert (deployed.target, deployed.region, deployed.entry) == (
        "eks",
        REGION,
        f"http://{DNS_NAME}",
    )
    assert [one.name for one in deployed.processes] == ["agent", "clock", "notes"]


@pytest.mark.parametrize(
    ("source", "host", "port", "process"),
    [
        ("agent", "clock.mcp.svc.cluster.local", 80, "clock"),
        ("agent", "clock.mcp.svc.cluster.local.", 80, "clock"),
        ("agent", "Clock.MCP.svc", 80, "clock"),
        ("agent", "clock.mcp", 80, "clock"),
        ("agent", "clock", 80, "clock"),
        # The short name resolves in the caller's namespace.
        ("notes", "clock", 80, None),
        ("notes", "clock.mcp", 80, "clock"),
        ("agent", "notes", 80, None),
        ("agent", "notes.records", 80, "notes"),
        (OPERATOR, "clock", 80, None),
        (OPERATOR, "clock.mcp.svc.cluster.local", 80, "clock"),
        # The ports of a Service are not the ports of its pods.
        ("agent", "clock", 8080, None),
        ("agent", "clock.other", 80, None),
        ("agent", "clock.mcp.pod.cluster.local", 80, None),
        (OPERATOR, "localhost", 8080, None),
    ],
)
def test_names_lead_where_the_dns_of_the_cluster_leads(
    fleet: Cloud, source: str, host: str, port: int, process: str | None
) -> None:
    assert eks.read(fleet).resolve(source, host, port) == process


@pytest.mark.parametrize(
    ("spec", "port", "process"),
    [
        ({"ports": [{"port": 80, "targetPort": 8080}]}, 80, "clock"),
        ({"ports": [{"port": 8080}]}, 8080, "clock"),
        ({"ports": [{"port": 80, "targetPort": "metrics"}]}, 80, None),
        ({"ports": [{"port": 80, "targetPort": 9000}]}, 80, None),
        ({"ports": [{"port": 80, "targetPort": 8080}], "clusterIP": "None"}, 80, None),
        ({"ports": [{"port": 80, "targetPort": 8080}], "clusterIP": "None"}, 8080, "clock"),
        ({"selector": {"app": "nobody"}}, 80, None),
        ({"selector": {}}, 80, None),
        ({"selector": None}, 80, None),
    ],
)
def test_a_service_leads_to_the_port_of_the_pods_that_it_selects(
    fleet: Cloud, spec: Mapping[str, Any], port: int, process: str | None
) -> None:
    _service(fleet, "clock", **spec)
    assert eks.read(fleet).resolve("agent", "clock", port) == process


def test_the_address_of_a_service_leads_where_its_name_leads(fleet: Cloud) -> None:
    _service(fleet, "clock", clusterIP="172.20.0.2")
    deployed = eks.read(fleet)
    assert deployed.resolve("notes", "172.20.0.2", 80) == "clock"
    assert deployed.resolve("notes", "172.20.0.3", 80) is None


@pytest.mark.parametrize(
    ("source", "process", "port", "reason"),
    [
        ("agent", "clock", 8080, None),
        # The port of the Service is the same edge.
        ("agent", "clock", 80, None),
        (
            "agent",
            "clock",
            81,
            "agent in the namespace mcp (default-deny, uses) have no egress rule",
        ),
        ("clock", "agent", 8080, "clock in the namespace mcp (default-deny) have no egress rule"),
        (
            "agent",
            "notes",
            8080,
            "(default-deny, uses) have no egress rule for TCP port 8080 to no",
        ),
        ("notes", "clock", 8080, "notes in the namespace records (default-deny) have no egress"),
        (GATEWAY, "clock", 8080, None),
        (GATEWAY, "clock", 80, None),
        (GATEWAY, "agent", 8080, "no TargetGroupBinding registers TCP port 8080 of agent in a tar"),
        (
            OPERATOR,
            "clock",
            8080,
            "(default-deny, used) have no ingress rule for TCP port 8080 fro",
        ),
    ],
)
def test_only_what_the_network_policies_let_through_arrives(
    fleet: Cloud, source: str, process: str, port: int, reason: str | None
) -> None:
    refusal = eks.read(fleet).refusal(source, process, port)
    if reason is None:
        assert refusal is None
    else:
        assert reason in str(refusal)


def test_the_gateway_does_not_reach_a_pod_that_only_its_ports_name_is_bound_for(
    fleet: Cloud,
) -> None:
    _bind(fleet, "clock", "web")
    assert eks.read(fleet).refusal(GATEWAY, "clock", 8080) is None
    _bind(fleet, "clock", "other")
    assert "no TargetGroupBinding" in str(eks.read(fleet).refusal(GATEWAY, "clock", 8080))


def test_the_gateway_does_not_reach_what_no_rule_of_it_leads_to(fleet: Cloud) -> None:
    fleet.delete("aws", "aws:lb/listenerRule:ListenerRule", "rule-clock")
    assert "no TargetGroupBinding" in str(eks.read(fleet).refusal(GATEWAY, "clock", 8080))


def test_the_gateway_needs_the_security_group_of_the_nodes_too(fleet: Cloud) -> None:
    kind = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    fleet.delete("aws", kind, "sgr-Ingress-sg-alb-sg-nodes-8080")
    assert eks.read(fleet).refusal(GATEWAY, "clock", 8080) == (
        "the security groups of clock (sg-nodes) have no ingress rule for TCP port 8080 from the "
        "gateway (the-sg-alb sg-alb)"
    )


def test_the_gateway_needs_a_network_policy_for_all_of_its_subnets(fleet: Cloud) -> None:
    fleet.delete(OWNER, f"kubernetes:{POLICY}", "mcp/used")
    block = {"ipBlock": {"cidr": SUBNETS["subnet-a"]}}
    only_one: dict[str, Any] = {"podSelector": {}, "ingress": [{"from": [block]}]}
    _let(fleet, "one", only_one)
    assert eks.read(fleet).refusal(GATEWAY, "clock", 8080) == (
        "the network policies of clock in the namespace mcp (default-deny, one) have no ingress "
        "rule for TCP port 8080 from the gateway"
    )


@pytest.mark.parametrize(
    ("configured", "held"),
    [
        ('{"enableNetworkPolicy": "true"}', True),
        ('{"enableNetworkPolicy": "false"}', False),
        ("", False),
    ],
)
def test_network_policies_are_held_only_where_the_network_is_told_to(
    fleet: Cloud, configured: str, held: bool
) -> None:
    kind = "kubernetes:core/v1:ConfigMap"
    fleet.delete(OWNER, kind, "kube-system/amazon-vpc-cni")
    assert eks.read(fleet).refusal("clock", "agent", 8080) is None
    put(
        fleet,
        "eks/addon:Addon",
        "vpc-cni",
        clusterName="fleet",
        addonName="vpc-cni",
        configurationValues=configured,
    )
    assert (eks.read(fleet).refusal("clock", "agent", 8080) is not None) is held


def test_in_a_mesh_pods_meet_in_its_tunnel_and_the_gateway_at_the_port(fleet: Cloud) -> None:
    labels = {"istio.io/dataplane-mode": "ambient"}
    _object(fleet, "core/v1:Namespace", "mcp", namespace="", labels=labels)
    assert "egress rule for TCP port 15008 to clock" in str(
        eks.read(fleet).refusal("agent", "clock", 8080)
    )
    for name, side, way in (("uses", "egress", "to"), ("used", "ingress", "from")):
        kind = f"kubernetes:{POLICY}"
        stored = fleet.get(OWNER, kind, f"mcp/{name}")
        assert stored is not None
        rules = [*stored.properties["spec"][side]]
        rules.append({way: rules[0][way], "ports": [{"port": 15008}]})
        fleet.edit(OWNER, kind, f"mcp/{name}", {"spec": {**stored.properties["spec"], side: rules}})
    deployed = eks.read(fleet)
    assert deployed.refusal("agent", "clock", 8080) is None
    assert deployed.refusal(GATEWAY, "clock", 8080) is None
    matched = {"selector": {"matchLabels": {"app": "clock"}}}
    source = {"principals": ["cluster.local/ns/mcp/sa/clerk"]}
    authorization = {**matched, "action": "ALLOW", "rules": [{"from": [{"source": source}]}]}
    _object(fleet, "security.istio.io/v1:AuthorizationPolicy", "clock", authorization)
    assert eks.read(fleet).refusal("agent", "clock", 8080) == (
        "the authorization policies of clock (clock) do not let agent "
        "(cluster.local/ns/mcp/sa/agent) reach TCP port 8080"
    )
    strict = {"mtls": {"mode": "STRICT"}}
    _object(fleet, "security.istio.io/v1:PeerAuthentication", "strict", strict)
    assert eks.read(fleet).refusal(GATEWAY, "clock", 8080) == (
        "the mesh requires mutual TLS on TCP port 8080 of clock, and the gateway has no certificate"
    )


def test_a_pod_may_do_what_the_role_of_its_service_account_may_do(fleet: Cloud) -> None:
    _associate(
        fleet, "agent", role(fleet, "pod", allow("bedrock:InvokeModel", MODEL), service=PODS)
    )
    # An association in another namespace is for other pods.
    _associate(fleet, "notes", role_arn("pod"), "mcp")
    allows = eks.read(fleet).allows
    asked = ("bedrock:InvokeModel", MODEL)
    assert [allows(who, *asked) for who in ("agent", "clock", "notes", GATEWAY, OPERATOR)] == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert not allows("agent", "bedrock:InvokeModel", f"{MODEL}2")


def test_one_value_of_a_secret_may_be_mounted_by_itself(cloud: Cloud) -> None:
    secret(cloud, '{"user": "u"}')
    path = {"path": "user", "objectAlias": "KEY"}
    assert _synced(cloud, READ, DECRYPT, objectAlias="ALL", jmesPath=[path]) == {"KEY": "u"}
