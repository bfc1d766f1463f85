"""The sandbox's kubernetes: pods that a namespace refuses, and pods that never start."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import Made, RefusedError
from sandbox.providers.kubernetes import pod_security
from sandbox.providers.kubernetes.quantities import amount
from sandbox.tests.clusters import LABELS, NAME, Cluster, changed, put

CONFIG_MAP, DEPLOYMENT, NAMESPACE = "core/v1:ConfigMap", "apps/v1:Deployment", "core/v1:Namespace"
CLAIM, VOLUME = "core/v1:PersistentVolumeClaim", "core/v1:PersistentVolume"
LIMITS, POD, QUOTA = "core/v1:LimitRange", "core/v1:Pod", "core/v1:ResourceQuota"
SECRET, SERVICE = "core/v1:Secret", "core/v1:Service"
PROVIDER_CLASS = "secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
HERE = {"name": "clock", "namespace": "fleet"}
CONTAINER, SPEC = "spec.template.spec.containers.0", "spec.template.spec"
POD_SPEC: Mapping[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "clock",
            "image": "clock@sha256:00",
            "resources": {
                "requests": {"cpu": "500m", "memory": "512Mi"},
                "limits": {"cpu": "500m", "memory": "512Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
}
WORKLOAD: Mapping[str, Any] = {
    "metadata": HERE,
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "template": {"metadata": {"labels": LABELS}, "spec": POD_SPEC},
    },
}
ADDON = "aws-secrets-store-csi-driver-provider"
SYNCING = json.dumps({"secrets-store-csi-driver": {"syncSecret": {"enabled": True}}})
KEY_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-a1b2c3"


def namespace(level: str) -> dict[str, Any]:
    return {"metadata": {"name": "fleet", "labels": {pod_security.ENFORCE: level}}}


@pytest.fixture
def cluster(cloud: Cloud) -> Cluster:
    made = Cluster(cloud, computeConfig={"enabled": True})
    made.make(NAMESPACE, namespace("restricted"))
    return made


def says(cluster: Cluster, kind: str, obj: Mapping[str, Any]) -> str:
    """The refusal of an object."""
    with pytest.raises(RefusedError) as refusal:
        cluster.make(kind, obj)
    return str(refusal.value)


def test_a_valid_deployment_is_ready(cluster: Cluster) -> None:
    assert cluster.make(DEPLOYMENT, WORKLOAD).properties["status"]["readyReplicas"] == 2


def test_a_deployment_whose_pods_the_namespace_refuses_is_never_ready(cluster: Cluster) -> None:
    root = changed(WORKLOAD, f"{SPEC}.securityContext.runAsNonRoot", None)
    assert says(cluster, DEPLOYMENT, root) == (
        "resource fleet/clock was successfully created, but the Kubernetes API server reported "
        "that it failed to fully initialize or become live: 'clock' timed out waiting to be Ready: "
        'pods "clock-" is forbidden: violates PodSecurity "restricted:latest": '
        'runAsNonRoot != true (pod or container "clock" must set securityContext.runAsNonRoot=true)'
    )
    assert [stored.type for stored in cluster.cloud.list() if "Deployment" in stored.type] == []


def test_a_pod_is_refused_immediately(cluster: Cluster) -> None:
    pod = {"metadata": HERE, "spec": changed(POD_SPEC, "hostNetwork", True)}
    assert says(cluster, POD, pod) == (
        'pods "clock" is forbidden: violates PodSecurity "restricted:latest": '
        "host namespaces (hostNetwork=true)"
    )


def test_an_update_is_refused_like_a_create(cluster: Cluster) -> None:
    made = cluster.make(DEPLOYMENT, WORKLOAD)
    with pytest.raises(RefusedError, match="violates PodSecurity"):
        cluster.change(DEPLOYMENT, made, changed(WORKLOAD, f"{SPEC}.hostPID", True))
    kept = cluster.cloud.get("kubernetes@https://fleet", f"kubernetes:{DEPLOYMENT}", made.id)
    assert kept is not None
    assert "hostPID" not in kept.properties["spec"]["template"]["spec"]


def test_a_deployment_without_replicas_has_no_pods_to_refuse(cluster: Cluster) -> None:
    none = changed(changed(WORKLOAD, "spec.replicas", 0), f"{SPEC}.hostPID", True)
    assert cluster.make(DEPLOYMENT, none).id == "fleet/clock"


def test_a_deployment_with_skip_await_causes_a_warning(cluster: Cluster) -> None:
    annotated = changed(WORKLOAD, "metadata.annotations", {"pulumi.com/skipAwait": "true"})
    cluster.make(DEPLOYMENT, changed(annotated, f"{SPEC}.hostPID", True))
    assert cluster.warnings == [
        'it does not become ready; Pulumi does not wait for it: pods "clock-" is forbidden: '
        'violates PodSecurity "restricted:latest": host namespaces (hostPID=true)'
    ]


def test_a_namespace_without_a_standard_admits_any_pod(cluster: Cluster) -> None:
    privileged = changed(WORKLOAD, f"{CONTAINER}.securityContext", {"privileged": True})
    here = changed(privileged, "metadata", {"name": "clock", "namespace": "default"})
    assert cluster.make(DEPLOYMENT, here).id == "default/clock"


@pytest.mark.parametrize("level", ["restrict", ""])
def test_an_unknown_standard_is_refused(cluster: Cluster, level: str) -> None:
    found = cluster.errors(NAMESPACE, namespace(level))
    reason = f"{level!r} is not a Pod Security Standard: privileged, baseline, restricted"
    assert found == {"metadata.labels": reason}


VIOLATIONS: list[tuple[str, str, Any, str]] = [
    ("baseline", "hostIPC", True, "host namespaces (hostIPC=true)"),
    (
        "baseline",
        "containers.0.securityContext.privileged",
        True,
        'privileged (container "clock" must not set securityContext.privileged=true)',
    ),
    (
        "baseline",
        "containers.0.securityContext.capabilities.add",
        ["SYS_TIME"],
        'non-default capabilities (container "clock" must not include "SYS_TIME" in '
        "securityContext.capabilities.add)",
    ),
    (
        "baseline",
        "containers.0.ports",
        [{"containerPort": 80, "hostPort": 80}],
        'hostPort (container "clock" uses hostPort 80)',
    ),
    (
        "baseline",
        "containers.0.livenessProbe",
        {"httpGet": {"host": "10.0.0.1", "port": 80}},
        'probe or lifecycle host (container "clock" must not set host)',
    ),
    (
        "baseline",
        "containers.0.lifecycle",
        {"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80}}},
        'probe or lifecycle host (container "clock" must not set host)',
    ),
    (
        "baseline",
        "securityContext.appArmorProfile",
        {"type": "Unconfined"},
        'forbidden AppArmor profile (appArmorProfile.type "Unconfined")',
    ),
    (
        "baseline",
        "securityContext.seLinuxOptions",
        {"type": "spc_t"},
        'seLinuxOptions (type "spc_t")',
    ),
    (
        "baseline",
        "securityContext.seLinuxOptions",
        {"user": "root"},
        "seLinuxOptions (user or role may not be set)",
    ),
    (
        "baseline",
        "containers.0.securityContext.procMount",
        "Unmasked",
        'procMount (container "clock" must not set securityContext.procMount to "Unmasked")',
    ),
    (
        "baseline",
        "securityContext.sysctls",
        [{"name": "kernel.msgmax", "value": "1"}],
        "forbidden sysctls (kernel.msgmax)",
    ),
    (
        "restricted",
        "volumes",
        [{"name": "a", "nfs": {"server": "a", "path": "/"}}],
        'restricted volume types (volume "a" uses restricted volume type "nfs")',
    ),
    (
        "restricted",
        "containers.0.securityContext.allowPrivilegeEscalation",
        None,
        'allowPrivilegeEscalation != false (container "clock" must set '
        "securityContext.allowPrivilegeEscalation=false)",
    ),
    (
        "restricted",
        "containers.0.securityContext.capabilities",
        {"drop": ["NET_RAW"]},
        'unrestricted capabilities (container "clock" must set '
        'securityContext.capabilities.drop=["ALL"])',
    ),
    (
        "restricted",
        "containers.0.securityContext.capabilities.add",
        ["CHOWN"],
        'unrestricted capabilities (container "clock" must not include "CHOWN" in '
        "securityContext.capabilities.add)",
    ),
    (
        "restricted",
        "containers.0.securityContext.runAsNonRoot",
        False,
        'runAsNonRoot != true (pod or container "clock" must set '
        "securityContext.runAsNonRoot=true)",
    ),
    ("restricted", "securityContext.runAsUser", 0, "runAsUser=0 (pod must not set runAsUser=0)"),
    (
        "restricted",
        "containers.0.securityContext.runAsUser",
        0,
        'runAsUser=0 (container "clock" must not set runAsUser=0)',
    ),
    (
        "restricted",
        "securityContext.seccompProfile",
        None,
        'seccompProfile (pod or container "clock" must set securityContext.seccompProfile.type to '
        '"RuntimeDefault" or "Localhost")',
    ),
    (
        "restricted",
        "containers.0.securityContext.seccompProfile",
        {"type": "Unconfined"},
        'seccompProfile (pod or container "clock" must set securityContext.seccompProfile.type to '
        '"RuntimeDefault" or "Localhost")',
    ),
]


@pytest.mark.parametrize(("level", "path", "value", "reason"), VIOLATIONS)
def test_violations_of_a_standard_are_found(level: str, path: str, value: Any, reason: str) -> None:
    pod = changed(POD_SPEC, path, value)
    assert reason in pod_security.violations(level, pod)
    assert pod_security.violations("privileged", pod) == []
    if level == "restricted":
        assert pod_security.violations("baseline", pod) == []


def test_a_host_path_is_forbidden_by_both_standards() -> None:
    pod = changed(POD_SPEC, "volumes", [{"name": "a", "hostPath": {"path": "/"}}])
    assert pod_security.violations("baseline", pod) == ['hostPath volumes (volume "a")']
    assert len(pod_security.violations("restricted", pod)) == 2


ALLOWED: list[tuple[str, Any]] = [
    ("containers.0.securityContext.capabilities.add", ["NET_BIND_SERVICE"]),
    ("containers.0.securityContext.runAsUser", 1),
    ("securityContext.sysctls", [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
    ("securityContext.appArmorProfile", {"type": "RuntimeDefault"}),
    ("volumes", [{"name": "a", "emptyDir": {}}, {"name": "b", "csi": {"driver": "x"}}]),
]


@pytest.mark.parametrize(("path", "value"), ALLOWED)
def test_what_restricted_allows_is_no_violation(path: str, value: Any) -> None:
    assert pod_security.violations("restricted", changed(POD_SPEC, path, value)) == []


def test_several_containers_are_named_together() -> None:
    first = POD_SPEC["containers"][0]
    pod = changed(POD_SPEC, "containers", [first, {**first, "name": "b"}, {"name": "c"}])
    pod = changed(pod, "initContainers", [{"name": "a"}])
    (found, *_) = pod_security.violations("restricted", pod)
    assert found == (
        'allowPrivilegeEscalation != false (containers "a", "c" must set '
        "securityContext.allowPrivilegeEscalation=false)"
    )


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("0", Fraction(0)),
        ("250m", Fraction(1, 4)),
        ("1.5", Fraction(3, 2)),
        (2, Fraction(2)),
        ("1k", Fraction(1000)),
        ("1Ki", Fraction(1024)),
        ("1.5Gi", Fraction(3 * 1024**3, 2)),
        ("1E", Fraction(10**18)),
        ("1e3", Fraction(1000)),
        ("-1", Fraction(-1)),
    ],
)
def test_a_quantity_is_a_number(quantity: str | float, number: Fraction) -> None:
    assert amount(quantity) == number


def test_an_invalid_quantity_has_no_number() -> None:
    with pytest.raises(ValueError, match="'1MB' is not a quantity"):
        amount("1MB")


def quota(**hard: Any) -> dict[str, Any]:
    return {"metadata": {"name": "quota", "namespace": "fleet"}, "spec": {"hard": hard}}


@pytest.mark.parametrize(
    ("hard", "reason"),
    [
        ({"pods": "2"}, None),
        (
            {"pods": "1"},
            "exceeded quota: quota, requested: pods=1 for each of 2 pods, used: pods=0, "
            "limited: pods=1",
        ),
        ({"requests.cpu": "1"}, None),
        (
            {"requests.cpu": "999m"},
            "exceeded quota: quota, requested: requests.cpu=500m for each of 2 pods, "
            "used: requests.cpu=0, limited: requests.cpu=999m",
        ),
        ({"limits.memory": "1Gi"}, None),
        (
            {"limits.memory": "1023Mi"},
            "exceeded quota: quota, requested: limits.memory=536870912 for each of 2 pods, "
            "used: limits.memory=0, limited: limits.memory=1023Mi",
        ),
        ({"cpu": "1"}, None),
    ],
)
def test_pods_may_use_a_quota_up_to_its_limit(
    cluster: Cluster, hard: Mapping[str, str], reason: str | None
) -> None:
    cluster.make(QUOTA, quota(**hard))
    if reason is None:
        assert cluster.make(DEPLOYMENT, WORKLOAD).id == "fleet/clock"
    else:
        assert f'pods "clock-" is forbidden: {reason}' in says(cluster, DEPLOYMENT, WORKLOAD)


def test_a_quota_counts_all_workloads_of_its_namespace(cluster: Cluster) -> None:
    cluster.make(QUOTA, quota(pods="3"))
    cluster.make(DEPLOYMENT, WORKLOAD)
    other = changed(WORKLOAD, "metadata.name", "notes")
    assert "used: pods=2, limited: pods=3" in says(cluster, DEPLOYMENT, other)
    assert cluster.make(DEPLOYMENT, changed(other, "spec.replicas", 1)).id == "fleet/notes"


def test_a_quota_counts_the_minimum_of_an_autoscaler(cluster: Cluster) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "clock"}
    scaler = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4}
    cluster.make(QUOTA, quota(pods="3"))
    cluster.make("autoscaling/v2:HorizontalPodAutoscaler", {"metadata": HERE, "spec": scaler})
    cluster.make(DEPLOYMENT, WORKLOAD)
    other = changed(changed(WORKLOAD, "metadata.name", "notes"), "spec.replicas", 1)
    assert "used: pods=3" in says(cluster, DEPLOYMENT, other)


def test_a_rolling_update_needs_one_additional_pod(cluster: Cluster) -> None:
    cluster.make(QUOTA, quota(pods="2"))
    made = cluster.make(DEPLOYMENT, WORKLOAD)
    newer = changed(WORKLOAD, f"{CONTAINER}.image", "clock@sha256:01")
    with pytest.raises(RefusedError, match="for each of 3 pods"):
        cluster.change(DEPLOYMENT, made, newer)
    for strategy in ({"type": "Recreate"}, {"rollingUpdate": {"maxUnavailable": 1}}):
        cluster.change(DEPLOYMENT, made, changed(newer, "spec.strategy", strategy))
    half = {"rollingUpdate": {"maxUnavailable": "50%"}}
    cluster.change(DEPLOYMENT, made, changed(WORKLOAD, "spec.strategy", half))
    cluster.change(DEPLOYMENT, made, changed(WORKLOAD, "metadata.labels", {"a": "b"}))


def test_a_container_must_set_the_resources_of_a_quota(cluster: Cluster) -> None:
    cluster.make(QUOTA, quota(**{"limits.cpu": "4"}))
    unset = changed(WORKLOAD, f"{CONTAINER}.resources", {"requests": {"cpu": "1"}})
    assert "failed quota: quota: must specify limits.cpu for: clock" in says(
        cluster, DEPLOYMENT, unset
    )


def test_the_largest_init_container_counts(cluster: Cluster) -> None:
    large = {**POD_SPEC["containers"][0], "name": "first"}
    large["resources"] = {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}
    cluster.make(QUOTA, quota(**{"requests.cpu": "3"}))
    starting = changed(WORKLOAD, f"{SPEC}.initContainers", [large])
    assert "requests.cpu=2 for each of 2 pods" in says(cluster, DEPLOYMENT, starting)
    sidecar = changed(WORKLOAD, f"{SPEC}.initContainers", [{**large, "restartPolicy": "Always"}])
    assert "requests.cpu=2500m for each of 2 pods" in says(cluster, DEPLOYMENT, sidecar)


def test_a_quota_with_scopes_is_not_counted(cluster: Cluster) -> None:
    scoped = changed(quota(pods="0"), "spec.scopes", ["BestEffort"])
    cluster.make(QUOTA, scoped)
    assert cluster.make(DEPLOYMENT, WORKLOAD).id == "fleet/clock"


@pytest.mark.parametrize(
    ("type_", "key", "count"),
    [
        ("LoadBalancer", "services.loadbalancers", 1),
        ("NodePort", "services.nodeports", 2),
        ("ClusterIP", "services", 1),
    ],
)
def test_a_quota_counts_services(cluster: Cluster, type_: str, key: str, count: int) -> None:
    cluster.make(QUOTA, quota(**{key: str(count - 1)}))
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    service = {"metadata": HERE, "spec": {"type": type_, "ports": ports}}
    assert says(cluster, SERVICE, service) == (
        f'services "clock" is forbidden: exceeded quota: quota, requested: {key}={count}, '
        f"used: {key}=0, limited: {key}={count - 1}"
    )


def test_a_cluster_ip_service_does_not_count_as_external(cluster: Cluster) -> None:
    cluster.make(QUOTA, quota(**{"services.loadbalancers": "0", "services.nodeports": "0"}))
    service = {"metadata": HERE, "spec": {"ports": [{"port": 80}]}}
    assert cluster.make(SERVICE, service).id == "fleet/clock"


def bounds(**bound: Any) -> dict[str, Any]:
    limits = [{"type": "Container", **bound}, {"type": "Pod", "max": {"cpu": "1m"}}]
    return {"metadata": {"name": "limits", "namespace": "fleet"}, "spec": {"limits": limits}}


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        ({"max": {"memory": "512Mi"}}, None),
        (
            {"max": {"memory": "511Mi"}},
            "maximum memory usage per Container is 511Mi, but limit is 512Mi",
        ),
        ({"min": {"cpu": "500m"}}, None),
        ({"min": {"cpu": "501m"}}, "minimum cpu usage per Container is 501m, but request is 500m"),
    ],
)
def test_a_container_may_use_a_limit_range_up_to_its_limits(
    cluster: Cluster, bound: Mapping[str, Any], reason: str | None
) -> None:
    cluster.make(LIMITS, bounds(**bound))
    if reason is None:
        assert cluster.make(DEPLOYMENT, WORKLOAD).id == "fleet/clock"
    else:
        assert f'pods "clock-" is forbidden: {reason}' in says(cluster, DEPLOYMENT, WORKLOAD)


def test_a_container_without_requests_gets_the_defaults(cluster: Cluster) -> None:
    cluster.make(LIMITS, bounds(default={"cpu": "2"}, defaultRequest={"cpu": "1"}))
    cluster.make(QUOTA, quota(**{"requests.cpu": "2", "limits.cpu": "3"}))
    assert "limits.cpu=2 for each of 2 pods" in says(
        cluster, DEPLOYMENT, changed(WORKLOAD, f"{CONTAINER}.resources", {})
    )


MISSING: list[tuple[str, Any, str]] = [
    (
        f"{SPEC}.serviceAccountName",
        "clock",
        'pods "clock-" is forbidden: error looking up service account fleet/clock: '
        'serviceaccount "clock" not found',
    ),
    (
        f"{SPEC}.priorityClassName",
        "high",
        'pods "clock-" is forbidden: no PriorityClass with name high was found',
    ),
    (
        f"{CONTAINER}.env",
        [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}],
        'configmap "a" not found',
    ),
    (
        f"{CONTAINER}.env",
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}],
        'secret "a" not found',
    ),
    (f"{CONTAINER}.envFrom", [{"secretRef": {"name": "a"}}], 'secret "a" not found'),
    (
        f"{SPEC}.volumes",
        [{"name": "v", "configMap": {"name": "a"}}],
        'configmap "a" not found',
    ),
    (f"{SPEC}.volumes", [{"name": "v", "secret": {"secretName": "a"}}], 'secret "a" not found'),
    (
        f"{SPEC}.volumes",
        [{"name": "v", "projected": {"sources": [{"configMap": {"name": "a"}}]}}],
        'configmap "a" not found',
    ),
    (
        f"{SPEC}.volumes",
        [{"name": "v", "persistentVolumeClaim": {"claimName": "a"}}],
        'MountVolume.SetUp failed for volume "v" : persistentvolumeclaim "a" not found',
    ),
    (
        f"{SPEC}.volumes",
        [
            {
                "name": "v",
                "csi": {
                    "driver": "secrets-store.csi.k8s.io",
                    "volumeAttributes": {"secretProviderClass": "a"},
                },
            }
        ],
        'MountVolume.SetUp failed for volume "v" : failed to get secretproviderclass fleet/a: '
        '"a" not found',
    ),
]


@pytest.mark.parametrize(("path", "value", "reason"), MISSING)
def test_pods_with_missing_references_never_start(
    cluster: Cluster, path: str, value: Any, reason: str
) -> None:
    found = says(cluster, DEPLOYMENT, changed(WORKLOAD, path, value))
    assert "'clock' timed out waiting to be Ready: " in found
    assert reason in found


NOT_MISSING: list[tuple[str, Any]] = [
    (f"{SPEC}.serviceAccountName", "default"),
    (f"{SPEC}.priorityClassName", "system-cluster-critical"),
    (f"{CONTAINER}.envFrom", [{"configMapRef": {"name": "a", "optional": True}}]),
    (f"{SPEC}.volumes", [{"name": "v", "configMap": {"name": "kube-root-ca.crt"}}]),
    (f"{SPEC}.volumes", [{"name": "v", "emptyDir": {}}]),
]


@pytest.mark.parametrize(("path", "value"), NOT_MISSING)
def test_default_objects_and_optional_references_are_not_missing(
    cluster: Cluster, path: str, value: Any
) -> None:
    assert cluster.make(DEPLOYMENT, changed(WORKLOAD, path, value)).id == "fleet/clock"


def test_pods_with_existing_references_start(cluster: Cluster) -> None:
    cluster.make("core/v1:ServiceAccount", {"metadata": HERE})
    cluster.make("scheduling.k8s.io/v1:PriorityClass", {"metadata": {"name": "high"}, "value": 1})
    cluster.make(CONFIG_MAP, {"metadata": HERE, "data": {"a": "1"}})
    cluster.make(SECRET, {"metadata": HERE, "stringData": {"b": "2"}})
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "clock", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "clock", "key": "b"}}},
    ]
    pods = changed(WORKLOAD, f"{CONTAINER}.env", env)
    pods = changed(pods, f"{SPEC}.serviceAccountName", "clock")
    pods = changed(pods, f"{SPEC}.priorityClassName", "high")
    assert cluster.make(DEPLOYMENT, pods).id == "fleet/clock"


def test_a_missing_key_is_reported(cluster: Cluster) -> None:
    cluster.make(CONFIG_MAP, {"metadata": HERE, "data": {"a": "1"}})
    items = [{"key": "b", "path": "b"}]
    volume = {"name": "v", "configMap": {"name": "clock", "items": items}}
    found = says(cluster, DEPLOYMENT, changed(WORKLOAD, f"{SPEC}.volumes", [volume]))
    assert "couldn't find key b in ConfigMap fleet/clock" in found


def provider_class(**item: str) -> dict[str, Any]:
    objects = [{"objectName": KEY_ARN, "objectAlias": "KEY", **item}]
    data = [{"objectName": "KEY", "key": "KEY"}]
    return {
        "metadata": HERE,
        "spec": {
            "provider": "aws",
            "parameters": {"usePodIdentity": "true", "objects": json.dumps(objects)},
            "secretObjects": [{"secretName": "clock-secrets", "type": "Opaque", "data": data}],
        },
    }


MOUNTED = changed(
    changed(
        WORKLOAD,
        f"{SPEC}.volumes",
        [
            {
                "name": "secrets",
                "csi": {
                    "driver": "secrets-store.csi.k8s.io",
                    "volumeAttributes": {"secretProviderClass": "clock"},
                },
            }
        ],
    ),
    f"{CONTAINER}.env",
    [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "clock-secrets", "key": "KEY"}}}],
)


def install(cloud: Cloud, configuration: str = SYNCING, account: str = "default") -> None:
    """Stores the resources in a cloud that secrets in a pod require."""
    values = {"clusterName": NAME, "addonName": ADDON, "configurationValues": configuration}
    put(cloud, "eks/addon:Addon", ADDON, **values)
    put(cloud, "secretsmanager/secret:Secret", KEY_ARN, arn=KEY_ARN)
    put(
        cloud,
        "eks/podIdentityAssociation:PodIdentityAssociation",
        "a-1",
        clusterName=NAME,
        namespace="fleet",
        serviceAccount=account,
    )


def test_secrets_are_mounted_into_pods_and_synced_for_their_variables(cluster: Cluster) -> None:
    install(cluster.cloud)
    cluster.make(PROVIDER_CLASS, provider_class())
    assert cluster.make(DEPLOYMENT, MOUNTED).id == "fleet/clock"


def test_secrets_need_the_permission_of_the_pods_service_account(cluster: Cluster) -> None:
    install(cluster.cloud, account="notes")
    cluster.make(PROVIDER_CLASS, provider_class())
    assert (
        "no Pod Identity association found for service account fleet/default of cluster fleet"
    ) in says(cluster, DEPLOYMENT, MOUNTED)


@pytest.mark.parametrize("configuration", ["", "{}"])
def test_secrets_are_synced_only_if_the_driver_is_configured_to(
    cluster: Cluster, configuration: str
) -> None:
    install(cluster.cloud, configuration)
    cluster.make(PROVIDER_CLASS, provider_class())
    assert "creates no Secrets: its configurationValues need" in says(cluster, DEPLOYMENT, MOUNTED)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"objectName": ""}, "object name must be specified"),
        ({"objectName": f"{KEY_ARN}x"}, "Failed to fetch secret from all regions"),
        ({"objectName": "key"}, "key: objectType does not match: None"),
        ({"objectType": "ssmparameter"}, "objectType does not match: ssmparameter"),
        ({"objectAlias": "OTHER"}, "file matching objectName KEY not found in the pod"),
    ],
)
def test_a_secret_that_cannot_be_fetched_is_reported(
    cluster: Cluster, item: Mapping[str, str], reason: str
) -> None:
    install(cluster.cloud)
    cluster.make(PROVIDER_CLASS, provider_class(**item))
    assert reason in says(cluster, DEPLOYMENT, MOUNTED)


@pytest.mark.parametrize("objects", ["a: [", "{}"])
def test_an_unreadable_list_of_secrets_is_reported(cluster: Cluster, objects: str) -> None:
    install(cluster.cloud)
    cluster.make(PROVIDER_CLASS, changed(provider_class(), "spec.parameters.objects", objects))
    found = says(cluster, DEPLOYMENT, MOUNTED)
    assert "SecretProviderClass clock: parameters.objects cannot be read" in found


def test_volumes_of_another_provider_are_not_checked(cluster: Cluster) -> None:
    install(cluster.cloud)
    cluster.make(
        PROVIDER_CLASS,
        changed(changed(provider_class(), "spec.provider", "other"), "spec.parameters", {}),
    )
    assert cluster.make(DEPLOYMENT, MOUNTED).id == "fleet/clock"


def test_a_variable_of_a_missing_secret_is_reported(cluster: Cluster) -> None:
    install(cluster.cloud)
    cluster.make(PROVIDER_CLASS, changed(provider_class(), "spec.secretObjects", []))
    assert 'secret "clock-secrets" not found' in says(cluster, DEPLOYMENT, MOUNTED)


VOLUME_SPEC: Mapping[str, Any] = {
    "metadata": {"name": "files"},
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "claimRef": {"namespace": "fleet", "name": "clock"},
        "csi": {"driver": "efs.csi.aws.com", "volumeHandle": "fs-0a::fsap-0b"},
    },
}
CLAIM_SPEC: Mapping[str, Any] = {
    "metadata": HERE,
    "spec": {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": "files",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
WITH_FILES = changed(
    WORKLOAD,
    f"{SPEC}.volumes",
    [{"name": "files", "persistentVolumeClaim": {"claimName": "clock"}}],
)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("metadata.name", "others", 'persistentvolume "files" not found'),
        (
            "spec.claimRef.name",
            "notes",
            'volume "files" already bound to a different claim: fleet/notes',
        ),
        (
            "spec.storageClassName",
            "efs",
            'storageClassName does not match: the claim has "", volume "files" has "efs"',
        ),
        (
            "spec.accessModes",
            ["ReadOnlyMany"],
            'volume "files" does not offer ReadWriteMany',
        ),
    ],
)
def test_a_claim_of_an_unsuitable_volume_is_never_bound(
    cluster: Cluster, path: str, value: Any, reason: str
) -> None:
    cluster.make(VOLUME, changed(VOLUME_SPEC, path, value))
    found = says(cluster, CLAIM, CLAIM_SPEC)
    assert "'clock' timed out waiting to be Ready: " in found
    assert reason in found


def test_a_claim_is_bound_to_the_volume_that_it_names(cluster: Cluster) -> None:
    cluster.make(VOLUME, VOLUME_SPEC)
    assert cluster.make(CLAIM, CLAIM_SPEC).properties["status"] == {"phase": "Bound"}
    unnamed = changed(changed(CLAIM_SPEC, "spec.volumeName", None), "metadata.name", "other")
    assert cluster.make(CLAIM, unnamed).id == "fleet/other"


def test_a_volume_belongs_permanently_to_its_first_claim(cluster: Cluster) -> None:
    volume = cluster.make(VOLUME, VOLUME_SPEC)
    claim = cluster.make(CLAIM, CLAIM_SPEC)
    cluster.delete(CLAIM, claim)
    found = says(cluster, CLAIM, CLAIM_SPEC)
    assert 'volume "files" already bound to a different claim: fleet/clock of uid' in found
    assert "spec.claimRef.uid" in found
    # Applying the volume again removes none of the controller's fields.
    cluster.change(VOLUME, volume, changed(VOLUME_SPEC, "metadata.labels", {"a": "b"}))
    assert "already bound to a different claim" in says(cluster, CLAIM, CLAIM_SPEC)
    cluster.delete(VOLUME, volume)
    cluster.make(VOLUME, VOLUME_SPEC)
    assert cluster.make(CLAIM, CLAIM_SPEC).id == "fleet/clock"


def test_a_deleted_namespace_retains_the_volume_of_its_claim(cluster: Cluster) -> None:
    cluster.make(VOLUME, VOLUME_SPEC)
    cluster.make(CLAIM, CLAIM_SPEC)
    (namespace,) = (one for one in cluster.cloud.list() if one.type == f"kubernetes:{NAMESPACE}")
    cluster.delete(NAMESPACE, Made(id=namespace.id, properties={}))
    (left,) = (one for one in cluster.cloud.list() if one.type == f"kubernetes:{VOLUME}")
    assert left.properties["status"] == {"phase": "Released"}


def test_a_bound_volume_and_a_claim_in_use_are_not_deleted(cluster: Cluster) -> None:
    volume = cluster.make(VOLUME, VOLUME_SPEC)
    claim = cluster.make(CLAIM, CLAIM_SPEC)
    with pytest.raises(RefusedError, match=r"kubernetes\.io/pv-protection waits until the claim"):
        cluster.delete(VOLUME, volume)
    driver = "aws-efs-csi-driver"
    put(cluster.cloud, "eks/addon:Addon", driver, clusterName=NAME, addonName=driver)
    put(cluster.cloud, "efs/fileSystem:FileSystem", "fs-0a")
    put(cluster.cloud, "efs/accessPoint:AccessPoint", "fsap-0b")
    user = cluster.make(DEPLOYMENT, WITH_FILES)
    with pytest.raises(RefusedError, match=r"pvc-protection .* fleet/clock are gone"):
        cluster.delete(CLAIM, claim)
    cluster.delete(DEPLOYMENT, user)
    cluster.delete(CLAIM, claim)
    cluster.delete(VOLUME, volume)


def test_a_mount_path_of_a_container_is_unique(cluster: Cluster) -> None:
    twice = [{"name": "a", "mountPath": "/tmp"}, {"name": "b", "mountPath": "/tmp/"}]  # noqa: S108
    mounted = changed(WORKLOAD, f"{SPEC}.containers.0.volumeMounts", twice)
    assert cluster.errors(DEPLOYMENT, mounted) == {
        "spec.template.spec.containers[0].volumeMounts[1].mountPath": "'/tmp' must be unique"
    }


def test_secrets_that_outlive_their_pods_are_reported(cluster: Cluster) -> None:
    install(cluster.cloud)
    cluster.make(PROVIDER_CLASS, provider_class())
    cluster.make(DEPLOYMENT, changed(MOUNTED, "spec.revisionHistoryLimit", 0))
    assert cluster.warnings == []
    other = changed(MOUNTED, "metadata.name", "other")
    cluster.make(DEPLOYMENT, other)
    (warning,) = cluster.warnings
    assert "its 10 old ReplicaSets own the Secrets of their pods" in warning


def test_files_need_their_driver_and_their_file_system(cluster: Cluster) -> None:
    cluster.make(VOLUME, VOLUME_SPEC)
    cluster.make(CLAIM, CLAIM_SPEC)
    found = says(cluster, DEPLOYMENT, WITH_FILES)
    assert "driver name efs.csi.aws.com not found in the list of registered CSI drivers" in found
    assert "the EKS add-on aws-efs-csi-driver or a release of the Helm chart" in found
    assert 'the file system or access point "fsap-0b" does not exist' in found
    driver = "aws-efs-csi-driver"
    put(cluster.cloud, "eks/addon:Addon", driver, clusterName=NAME, addonName=driver)
    put(cluster.cloud, "efs/fileSystem:FileSystem", "fs-0a")
    put(cluster.cloud, "efs/accessPoint:AccessPoint", "fsap-0b")
    assert cluster.make(DEPLOYMENT, WITH_FILES).id == "fleet/clock"


def test_a_volume_without_a_driver_needs_none(cluster: Cluster) -> None:
    plain = changed(
        changed(VOLUME_SPEC, "spec.csi", None), "spec.nfs", {"server": "a", "path": "/"}
    )
    cluster.make(VOLUME, plain)
    cluster.make(CLAIM, CLAIM_SPEC)
    assert cluster.make(DEPLOYMENT, WITH_FILES).id == "fleet/clock"


def test_deleting_a_namespace_deletes_its_releases(cluster: Cluster) -> None:
    made = cluster.make(NAMESPACE, {"metadata": {"name": "mesh"}})
    cluster.make("helm.sh/v3:Release", {"chart": "base", "name": "base", "namespace": "mesh"})
    cluster.delete(NAMESPACE, made)
    assert [stored.id for stored in cluster.cloud.list() if "Release" in stored.type] == []
