"""The pods of the EKS target: their settings, variables and termination."""

import json
import re
from typing import Any

import pytest

from core.aws.names import short_hash
from tests.components.fleets import (
    EKS,
    EKS_EXAMPLE,
    EKS_FLEETS,
    EKS_FLUX,
    EKS_FULL,
    EKS_MANAGED,
    FOREIGN_IMAGE,
    FULL,
    OLD_IMAGE,
    with_server,
)
from tests.components.recording import CLUSTER_NAME, MARKER, Recording, Resource, leaves, run

fleets = pytest.mark.parametrize("fleet", EKS_FLEETS.values(), ids=EKS_FLEETS)
TMP = "/tmp"  # noqa: S108 - inside the container
WORKLOADS = [*EKS_FULL["servers"], *EKS_FULL["agents"]]
LOADS: dict[str, Any] = EKS_FULL["servers"] | EKS_FULL["agents"]
FIXED = {"old", "quiet"}


def _deployment(recording: Recording, workload: str) -> Resource:
    return recording.one("kubernetes.Deployment", f"eks-{workload}-deployment")


def _pod(recording: Recording, workload: str) -> dict[str, Any]:
    return _deployment(recording, workload).inputs["spec"]["template"]["spec"]


def _container(recording: Recording, workload: str) -> dict[str, Any]:
    (container,) = _pod(recording, workload)["containers"]
    return container


def _variables(recording: Recording, workload: str) -> dict[str, str]:
    variables = _container(recording, workload)["env"]
    return {each["name"]: each["value"] for each in variables if "value" in each}


def _secrets(recording: Recording, workload: str) -> dict[str, dict[str, str]]:
    """The references to a Secret, by variable."""
    variables = _container(recording, workload)["env"]
    return {
        each["name"]: each["valueFrom"]["secretKeyRef"] for each in variables if "valueFrom" in each
    }


def _of_server(**fields: Any) -> Recording:
    """The smallest fleet with a changed server."""
    return run({**with_server(**fields), "target": "eks"})


def _selected(workload: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": workload, "app.kubernetes.io/instance": "mcp-platform-dev"}


def test_the_pod_of_the_example_server_in_full():
    recording = run(EKS_EXAMPLE)
    repository = recording.one("ecr.Repository", "fleet-images-workloads-notes-repository")
    host = recording.one("lb.LoadBalancer").state["dnsName"]
    pod = dict(_pod(recording, "notes"))
    (container,) = pod.pop("containers")
    own = {"labelSelector": {"matchLabels": _selected("notes")}}
    spread = {
        **own,
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "matchLabelKeys": ["pod-template-hash"],
    }
    assert pod == {
        "serviceAccountName": "notes",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": "mcp-platform-dev",
        "terminationGracePeriodSeconds": 30 + 305,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "topologySpreadConstraints": [
            {**spread, "topologyKey": "topology.kubernetes.io/zone"},
            {**spread, "topologyKey": "kubernetes.io/hostname"},
        ],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {**own, "topologyKey": "kubernetes.io/hostname"},
                    }
                ]
            }
        },
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
            {
                "name": "vault",
                "csi": {
                    "driver": "secrets-store.csi.k8s.io",
                    "readOnly": True,
                    "volumeAttributes": {"secretProviderClass": _vault(recording, "notes")},
                },
            },
            {"name": "files", "persistentVolumeClaim": {"claimName": "files.notes"}},
        ],
    }
    variables = container.pop("env")
    assert {each["name"]: each["value"] for each in variables if "value" in each} == {
        "FILES_DIR": "/data",
        "KEEP_ALIVE_SECONDS": "335",
        "MAX_REQUEST_SECONDS": "300",
        "MCP_ALLOWED_HOSTS": _hosts("notes.mcp", host),
        "MCP_ALLOWED_ORIGINS": f"http://{host}",
        "MCP_SESSIONS": "stateless",
        "PORT": "8080",
        "STOP_TIMEOUT_SECONDS": "300",
    }
    probe = {"httpGet": {"path": "/health", "port": 8080}, "timeoutSeconds": 5}
    size = {"cpu": "500m", "memory": "1024Mi"}
    assert container == {
        "name": "notes",
        "image": f"{repository.state['repositoryUrl']}@sha256:{'4' * 64}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": size, "limits": size},
        # One minute to start, as on ECS.
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": 12},
        "readinessProbe": {
            **probe,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        },
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 10},
        "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": TMP},
            {"name": "vault", "mountPath": "/var/run/mcp-platform/vault", "readOnly": True},
            {"name": "files", "mountPath": "/data"},
        ],
    }


def _hosts(service: str, gateway: str) -> str:
    """The host names of a workload: the name of its service, and the gateway."""
    inside = f"{service}.svc.cluster.local"
    return f"{inside}:8080,{inside},{gateway},{gateway}:*"


def test_the_deployment_of_the_example_server_but_for_its_pod():
    recording = run(EKS_EXAMPLE)
    inputs = dict(_deployment(recording, "notes").inputs)
    spec = dict(inputs["spec"])
    template = spec.pop("template")
    labels = {
        **_selected("notes"),
        "app.kubernetes.io/component": "server",
        "app.kubernetes.io/part-of": "mcp-platform",
        "app.kubernetes.io/managed-by": "pulumi",
    }
    assert inputs["metadata"] == {
        "name": "notes",
        "namespace": "mcp",
        "labels": labels,
        # The annotation changes when autoscaling is turned on or off.
        "annotations": {
            "pulumi.com/patchForce": "true",
            "mcp-platform/scaling": "autoscaled",
        },
    }
    assert template["metadata"]["labels"] == labels
    assert spec == {
        "replicas": 1,
        # A former ReplicaSet would keep the Secret of its pods.
        "revisionHistoryLimit": 0,
        # The time to start a replica, and before that to stop an earlier one.
        "progressDeadlineSeconds": 900 + 335,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
        },
        "selector": {"matchLabels": _selected("notes")},
    }


def test_a_deployment_with_a_fixed_number_of_replicas_differs_from_an_autoscaled_one():
    """The difference causes an update when autoscaling is turned off, which sets the number."""
    fixed = {**with_server(replicas={"min": 1, "max": 1}), "target": "eks"}
    clock = _deployment(run(fixed), "clock").inputs
    assert clock["metadata"]["annotations"] == {"pulumi.com/patchForce": "true"}
    assert clock["spec"]["replicas"] == 1


@fleets
def test_every_pod_is_closed_by_the_standard_restricted(fleet: Any):
    recording = run(fleet)
    loads = fleet.get("servers", {}) | fleet.get("agents", {})
    assert recording.names("kubernetes.Deployment") == sorted(
        f"eks-{name}-deployment" for name in loads
    )
    for name, load in loads.items():
        pod, container = _pod(recording, name), _container(recording, name)
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": not load.get("writable_root", False),
            "capabilities": {"drop": ["ALL"]},
        }
        # The pod does not share namespaces with the node, and mounts no files of the node.
        for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"):
            assert key not in pod
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "csi", "persistentVolumeClaim"}
        assert "hostPort" not in container["ports"][0]
        assert pod["nodeSelector"]["kubernetes.io/arch"] == "arm64"


@fleets
def test_every_namespace_admits_only_what_is_restricted_and_waits_for_the_load_balancer(
    fleet: Any,
):
    recording = run(fleet)
    managed = fleet.get("cluster", {}).get("nodes") == "managed"
    gate = f"{'elbv2.k8s.aws' if managed else 'eks.amazonaws.com'}/pod-readiness-gate-inject"
    own = [
        made
        for made in recording.of("kubernetes.Namespace")
        if made.name.startswith("eks-namespaces-")
    ]
    assert own != []
    for made in own:
        expected = {
            "app.kubernetes.io/part-of": "mcp-platform-dev",
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/audit": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
            gate: "enabled",
        }
        if fleet.get("mesh") == "istio":
            expected["istio.io/dataplane-mode"] = "ambient"
        assert made.inputs["metadata"]["labels"] == expected


def test_every_workload_is_in_the_namespace_of_its_team():
    recording = run(EKS_FULL)
    namespaces = {
        name: _deployment(recording, name).inputs["metadata"]["namespace"] for name in WORKLOADS
    }
    assert namespaces == {
        "clock": "mcp",
        "notes": "records",
        "quiet": "records",
        "old": "mcp",
        "idle": "mcp",
        "assistant": "payments",
        "auditor": "mcp",
    }
    for made in recording.resources.values():
        workload = made.parent.rpartition("::eks-")[2]
        if workload in namespaces and made.type.startswith("kubernetes:"):
            where = made.inputs["metadata"].get("namespace")
            # A volume has no namespace. An agent also has roles in the namespaces of its servers.
            if made.kind == "kubernetes.PersistentVolume":
                assert where is None
            elif made.kind not in ("kubernetes.Role", "kubernetes.RoleBinding"):
                assert where == namespaces[workload]


def test_another_namespace_is_taken_for_workloads_of_no_team():
    recording = run({**EKS, "cluster": {"namespace": "tools"}})
    assert _deployment(recording, "clock").inputs["metadata"]["namespace"] == "tools"
    assert recording.names("kubernetes.Namespace") == ["eks-namespaces-tools"]


@pytest.mark.parametrize(
    ("cpu", "millicores"),
    [(1, "1m"), (256, "250m"), (257, "251m"), (300, "293m"), (1024, "1000m"), (1025, "1001m")],
)
def test_a_pod_has_what_it_asks_for_and_no_more_in_thousandths_rounded_up(
    cpu: int, millicores: str
):
    resources = _container(_of_server(cpu=cpu, memory=700), "clock")["resources"]
    size = {"cpu": millicores, "memory": "700Mi"}
    assert resources == {"requests": size, "limits": size}


@pytest.mark.parametrize(
    ("seconds", "stop", "grace"),
    [(1, 25, 60), (25, 25, 60), (26, 26, 61), (60, 60, 95), (3970, 3970, 4005)],
)
def test_a_pod_ends_after_its_deregistration_and_its_longest_request(
    seconds: int, stop: int, grace: int
):
    recording = _of_server(max_request_seconds=seconds)
    pod, container = _pod(recording, "clock"), _container(recording, "clock")
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 30}}}
    assert pod["terminationGracePeriodSeconds"] == grace
    assert _variables(recording, "clock")["STOP_TIMEOUT_SECONDS"] == str(stop)
    # The grace period includes the sleep, and five seconds for final log lines.
    assert grace == 30 + stop + 5
    patience = f"{900 + grace}s"
    assert _deployment(recording, "clock").timeouts == {
        "create": patience,
        "update": patience,
        "delete": patience,
    }


def test_the_server_outlasts_the_load_balancer():
    recording = run(EKS_FULL)
    idle = recording.one("lb.LoadBalancer").inputs["idleTimeout"]
    for name in WORKLOADS:
        exposed = LOADS[name].get("expose", True)
        own = max(LOADS[name].get("max_request_seconds", 60) + 30, 300)
        keep_alive = int(_variables(recording, name)["KEEP_ALIVE_SECONDS"])
        assert keep_alive == (idle if exposed else own) + 5


def test_replicas_are_spread_over_zones_nodes_and_capacity_types():
    recording = run(EKS_FULL)
    keys = {
        name: [each["topologyKey"] for each in _pod(recording, name)["topologySpreadConstraints"]]
        for name in WORKLOADS
    }
    everywhere = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert keys == dict.fromkeys(WORKLOADS, everywhere) | {
        "quiet": [*everywhere, "karpenter.sh/capacity-type"]
    }
    for name in WORKLOADS:
        pod = _pod(recording, name)
        (preferred,) = pod["affinity"]["podAntiAffinity"].values()
        selectors = [
            *(each["labelSelector"] for each in pod["topologySpreadConstraints"]),
            *(each["podAffinityTerm"]["labelSelector"] for each in preferred),
        ]
        assert selectors == [{"matchLabels": _selected(name)}] * len(selectors)


@pytest.mark.parametrize(
    ("fleet", "label", "on_demand"),
    [
        (EKS_FULL, "karpenter.sh/capacity-type", "on-demand"),
        (EKS_MANAGED, "eks.amazonaws.com/capacityType", "ON_DEMAND"),
    ],
    ids=["auto", "managed"],
)
def test_only_workloads_with_spare_capacity_may_run_on_it(fleet: Any, label: str, on_demand: str):
    recording = run(fleet)
    for name in WORKLOADS:
        apart = {} if name == "quiet" else {label: on_demand}
        assert _pod(recording, name)["nodeSelector"] == {"kubernetes.io/arch": "arm64", **apart}
    spread = _pod(recording, "quiet")["topologySpreadConstraints"]
    assert spread[-1]["topologyKey"] == label
    # Without spot replicas, there is no selector for the capacity.
    assert _pod(run(EKS), "clock")["nodeSelector"] == {"kubernetes.io/arch": "arm64"}


def test_the_variables_of_a_workload_are_those_that_it_has_on_ecs():
    fleet = {**FULL, "servers": {**FULL["servers"], "idle": EKS_FULL["servers"]["idle"]}}
    ecs, eks = run({**fleet, "network": EKS_FULL["network"]}), run(EKS_FULL)
    differ = {"MCP_ALLOWED_HOSTS", "MCP_SERVERS", "STOP_TIMEOUT_SECONDS"}
    for name in WORKLOADS:
        (container,) = ecs.one("ecs.TaskDefinition", f"ecs-{name}-task").json(
            "containerDefinitions"
        )
        there = {each["name"]: each["value"] for each in container["environment"]}
        here = _variables(eks, name)
        assert here.keys() == there.keys()
        assert {key: value for key, value in here.items() if key not in differ} == {
            key: value for key, value in there.items() if key not in differ
        }
        secrets = {each["name"] for each in container.get("secrets", [])}
        assert _secrets(eks, name).keys() == secrets
        assert (
            container["image"].partition("@")[2]
            == (_container(eks, name)["image"].partition("@")[2])
        )


def test_no_variable_comes_twice():
    recording = run(EKS_FULL)
    for name in WORKLOADS:
        names = [each["name"] for each in _container(recording, name)["env"]]
        assert len(names) == len(set(names))


def test_an_agent_gets_the_addresses_of_its_servers_services():
    recording = run(EKS_FULL)
    told = {
        name: json.loads(_variables(recording, name)["MCP_SERVERS"]) for name in EKS_FULL["agents"]
    }
    assert told == {
        "assistant": {
            "clock": "http://clock.mcp.svc.cluster.local:8080/mcp",
            "notes": "http://notes.records.svc.cluster.local:8080/mcp",
        },
        "auditor": {"quiet": "http://quiet.records.svc.cluster.local:8080/mcp"},
    }


def test_a_workload_answers_to_the_names_by_which_it_is_called():
    recording = run(EKS_FULL)
    hosts = {name: _variables(recording, name)["MCP_ALLOWED_HOSTS"] for name in WORKLOADS}
    assert hosts["notes"] == _hosts("notes.records", "mcp.example.com")
    assert hosts["assistant"] == _hosts("assistant.payments", "mcp.example.com")


def test_every_workload_has_a_service_of_its_name_for_its_own_pods():
    recording = run(EKS_FULL)
    assert recording.names("kubernetes.Service") == sorted(f"eks-{name}-service" for name in LOADS)
    for name in WORKLOADS:
        service = recording.one("kubernetes.Service", f"eks-{name}-service").inputs
        assert service["metadata"]["name"] == name
        assert service["spec"] == {
            "type": "ClusterIP",
            "selector": _selected(name),
            "ports": [
                {
                    "name": "http",
                    "port": 8080,
                    "targetPort": "http",
                    "protocol": "TCP",
                    "appProtocol": "http",
                }
            ],
        }


def test_images_are_named_by_their_digest():
    recording = run(EKS_FULL)
    images = {name: _container(recording, name)["image"] for name in WORKLOADS}
    assert (images["quiet"], images["old"]) == (FOREIGN_IMAGE, OLD_IMAGE)
    assert all("@sha256:" in image for image in images.values())


# Secrets


def _classes(recording: Recording) -> dict[str, dict[str, Any]]:
    return {
        made.inputs["metadata"]["name"]: made.inputs["spec"]
        for made in recording.of("kubernetes.SecretProviderClass")
    }


def _vault(recording: Recording, workload: str) -> str:
    """The name of a workload's SecretProviderClass, which depends on its contents."""
    called = recording.one("kubernetes.SecretProviderClass", f"eks-{workload}-vault").inputs[
        "metadata"
    ]["name"]
    assert re.fullmatch(rf"{workload}-[0-9a-z]+", called)
    return called


def test_a_secret_is_fetched_at_the_version_made_here_for_the_variable_of_its_name():
    recording = run(EKS_FULL)
    called = _vault(recording, "notes")
    spec = _classes(recording)[called]
    assert (spec["provider"], spec["parameters"]["usePodIdentity"]) == ("aws", "true")
    expected = {
        "NOTES_API_KEY": "secret-notes-api-key",
        "MADE_UP": "secret-made-up",
        "REQUEST_STATE_KEY": "request-state-notes",
    }
    objects = json.loads(spec["parameters"]["objects"])
    stored = {
        variable: (
            recording.one("secretsmanager.Secret", f"fleet-vault-{name}").state["arn"],
            recording.one("secretsmanager.SecretVersion", f"fleet-vault-{name}-version").state[
                "versionId"
            ],
        )
        for variable, name in expected.items()
    }
    assert objects == [
        {
            "objectName": arn,
            "objectType": "secretsmanager",
            "objectAlias": variable,
            "objectVersion": version,
        }
        for variable, (arn, version) in stored.items()
    ]
    assert spec["secretObjects"] == [
        {
            "secretName": called,
            "type": "Opaque",
            "data": [{"objectName": variable, "key": variable} for variable in expected],
        }
    ]
    assert _secrets(recording, "notes") == {
        variable: {"name": called, "key": variable} for variable in expected
    }


def test_of_a_secret_that_is_set_elsewhere_the_newest_version_is_fetched():
    recording = run(EKS_FULL)
    for workload, variable in (("quiet", "SET_OUTSIDE"), ("old", "THERE_ALREADY")):
        spec = _classes(recording)[_vault(recording, workload)]
        objects = json.loads(spec["parameters"]["objects"])
        (outside,) = (each for each in objects if each["objectAlias"] == variable)
        assert "objectVersion" not in outside


def test_only_workloads_with_secrets_mount_the_secrets_volume():
    recording = run(EKS_FULL)
    with_secrets = {name for name in WORKLOADS if _secrets(recording, name)}
    assert with_secrets == {"clock", "notes", "quiet", "old", "idle"}
    mounted = {
        name: volume["csi"]["volumeAttributes"]["secretProviderClass"]
        for name in WORKLOADS
        for volume in _pod(recording, name)["volumes"]
        if "csi" in volume
    }
    assert mounted == {name: _vault(recording, name) for name in with_secrets}
    assert _classes(recording).keys() == set(mounted.values())


def test_secrets_are_called_after_what_is_in_them_so_that_new_values_are_found_by_new_pods():
    recording = run(EKS_FULL)

    def version(name: str) -> str:
        made = recording.one("secretsmanager.SecretVersion", f"fleet-vault-{name}-version")
        return made.state["versionId"]

    outside = recording.one("secretsmanager.Secret", "fleet-vault-secret-set-outside").state["arn"]
    contents = {
        "notes": f"NOTES_API_KEY={version('secret-notes-api-key')}"
        f",MADE_UP={version('secret-made-up')}"
        f",REQUEST_STATE_KEY={version('request-state-notes')}",
        "quiet": f"SET_OUTSIDE={outside},REQUEST_STATE_KEY={version('request-state-quiet')}",
    }
    for name, text in contents.items():
        assert _vault(recording, name) == f"{name}-{short_hash(text)}"


@fleets
def test_no_value_of_a_secret_is_in_any_object_of_the_cluster(fleet: Any):
    found = [
        made.name
        for made in run(fleet).resources.values()
        if made.type.startswith(("kubernetes:", "eks:", "aws:eks/"))
        for text, _ in leaves([made.inputs, made.state])
        if MARKER in text
    ]
    assert found == []


# Files


def test_a_workload_has_its_own_access_point_as_a_volume_that_outlives_it():
    recording = run(EKS_FULL)
    system = recording.one("efs.FileSystem").id
    assert recording.names("kubernetes.PersistentVolume") == [
        "eks-auditor-volume",
        "eks-notes-volume",
    ]
    for name, namespace in (("notes", "records"), ("auditor", "mcp")):
        point = recording.one("efs.AccessPoint", f"fleet-storage-{name}").id
        made = recording.one("kubernetes.PersistentVolume", f"eks-{name}-volume")
        volume = made.inputs
        assert volume["metadata"]["name"] == f"mcp-platform-dev.{namespace}.{name}"
        # A volume with another name is created before the former one is deleted.
        assert not made.delete_before_replace
        assert volume["spec"] == {
            "capacity": {"storage": "1Gi"},
            "volumeMode": "Filesystem",
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "mountOptions": ["iam"],
            "claimRef": {"namespace": namespace, "name": f"files.{name}"},
            "csi": {"driver": "efs.csi.aws.com", "volumeHandle": f"{system}::{point}"},
        }
        made = recording.one("kubernetes.PersistentVolumeClaim", f"eks-{name}-claim")
        assert not made.delete_before_replace
        claim = made.inputs
        assert claim["metadata"]["name"] == f"files.{name}"
        assert claim["metadata"]["namespace"] == namespace
        assert claim["spec"] == {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "volumeName": f"mcp-platform-dev.{namespace}.{name}",
            "resources": {"requests": {"storage": "1Gi"}},
        }


def test_files_are_where_the_configuration_says_and_can_be_mounted_when_the_pod_starts():
    recording = run(EKS_FULL)
    mounts = {
        name: [each["mountPath"] for each in _container(recording, name)["volumeMounts"]]
        for name in WORKLOADS
    }
    vault = "/var/run/mcp-platform/vault"
    assert mounts == {
        "clock": [TMP, vault],
        "notes": [TMP, vault, "/data"],
        "quiet": [TMP, vault],
        "old": [TMP, vault],
        "idle": [TMP, vault],
        "assistant": [TMP],
        "auditor": [TMP, "/var/audit"],
    }
    deployment = _deployment(recording, "notes")
    for target in recording.of("efs.MountTarget"):
        assert target.urn in deployment.dependencies


def test_every_mounted_volume_is_declared_and_every_declared_one_mounted():
    recording = run(EKS_FULL)
    for name in WORKLOADS:
        declared = [volume["name"] for volume in _pod(recording, name)["volumes"]]
        mounted = [each["name"] for each in _container(recording, name)["volumeMounts"]]
        assert declared == mounted


# Replicas


def test_the_autoscaler_sets_the_number_of_replicas_if_there_is_one():
    recording = run(EKS_FULL)
    replicas = {
        name: _deployment(recording, name).inputs["spec"].get("replicas") for name in WORKLOADS
    }
    # With an autoscaler, the initial number is the minimum, not the default of Kubernetes. Later
    # values of the autoscaler are kept.
    assert replicas == dict.fromkeys(WORKLOADS, 1) | {"quiet": 2}
    for name in WORKLOADS:
        ignored = _deployment(recording, name).ignore_changes
        assert ignored == ([] if name in FIXED else ["spec.replicas"])
    assert recording.names("kubernetes.HorizontalPodAutoscaler") == sorted(
        f"eks-{name}-autoscaler" for name in WORKLOADS if name not in FIXED
    )


def test_applying_a_manifest_again_does_not_change_the_number_of_replicas():
    servers = EKS_FLUX["servers"]
    fixed = servers["clock"] | {"replicas": {"min": 2, "max": 2}}
    recording = run({**EKS_FLUX, "servers": {**servers, "clock": fixed}})
    replicas = {
        name: _deployment(recording, name).inputs["spec"].get("replicas")
        for name in ("clock", "notes", "assistant")
    }
    assert replicas == {"clock": 2, "notes": None, "assistant": None}


def test_the_autoscaler_holds_the_use_of_cpu_between_the_bounds():
    recording = run(EKS_FULL)
    autoscaler = recording.one("kubernetes.HorizontalPodAutoscaler", "eks-notes-autoscaler")
    assert autoscaler.inputs["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "notes"},
        "minReplicas": 1,
        "maxReplicas": 6,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70},
                },
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    metadata = autoscaler.inputs["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("notes", "records")


def test_nodes_are_drained_one_replica_at_a_time_and_always_can_be():
    recording = run(EKS_FULL)
    budgets = recording.of("kubernetes.PodDisruptionBudget")
    assert len(budgets) == len(WORKLOADS)
    for made in budgets:
        name = made.inputs["metadata"]["name"]
        assert made.inputs["spec"] == {
            "maxUnavailable": 1,
            "selector": {"matchLabels": _selected(name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }


def test_a_namespace_asks_for_no_more_than_its_workloads_need_twice():
    recording = run(EKS_FULL)
    quotas = {
        made.inputs["metadata"]["namespace"]: made.inputs["spec"]["hard"]
        for made in recording.of("kubernetes.ResourceQuota")
    }
    outside = {"services.loadbalancers": "0", "services.nodeports": "0"}

    def hard(cpu: str, memory: str, pods: str) -> dict[str, str]:
        return {
            "requests.cpu": cpu,
            "limits.cpu": cpu,
            "requests.memory": memory,
            "limits.memory": memory,
            "pods": pods,
            **outside,
        }

    assert quotas == {
        # Four replicas each of clock, idle and auditor, and one of old.
        "mcp": hard("6500m", "13312Mi", "26"),
        # The number of pods is the setting of the team.
        "records": hard("8000m", "16384Mi", "50"),
        "payments": hard("2000m", "4096Mi", "8"),
    }


def test_no_container_of_a_namespace_is_larger_than_its_largest_workload():
    recording = run(EKS_FULL)
    limits = {
        made.inputs["metadata"]["namespace"]: made.inputs["spec"]["limits"]
        for made in recording.of("kubernetes.LimitRange")
    }
    small, large = {"cpu": "250m", "memory": "512Mi"}, {"cpu": "500m", "memory": "1024Mi"}
    assert limits == {
        namespace: [{"type": "Container", "default": size, "defaultRequest": size, "max": size}]
        for namespace, size in (("mcp", small), ("records", large), ("payments", small))
    }


def test_pods_have_priority_and_preempt_no_other_pods():
    recording = run(EKS_FULL)
    priority = dict(recording.one("kubernetes.PriorityClass").inputs)
    assert priority["metadata"] == {"name": "mcp-platform-dev"}
    assert (priority["value"], priority["preemptionPolicy"]) == (1000, "Never")
    assert priority["globalDefault"] is False
    for name in WORKLOADS:
        assert _pod(recording, name)["priorityClassName"] == "mcp-platform-dev"


# Identity


def test_only_an_agent_has_a_token_for_the_api_of_the_cluster():
    recording = run(EKS_FULL)
    for name in WORKLOADS:
        account = recording.one("kubernetes.ServiceAccount", f"eks-{name}-account").inputs
        assert account["metadata"]["name"] == name
        assert account["automountServiceAccountToken"] is False
        pod = _pod(recording, name)
        assert pod["serviceAccountName"] == name
        assert pod["automountServiceAccountToken"] is (name in EKS_FULL["agents"])
        assert pod["enableServiceLinks"] is False


def test_a_pod_starts_once_its_role_is_in_force_its_secrets_are_described_and_it_is_bound():
    recording = run(EKS_FULL)
    needed = set(_deployment(recording, "notes").dependencies)
    for kind, name in (
        ("iam.RolePolicy", "eks-notes-pod-policy"),
        ("eks.PodIdentityAssociation", "eks-notes-identity"),
        ("kubernetes.ServiceAccount", "eks-notes-account"),
        ("kubernetes.SecretProviderClass", "eks-notes-vault"),
        ("kubernetes.PersistentVolumeClaim", "eks-notes-claim"),
        ("kubernetes.Service", "eks-notes-service"),
        ("kubernetes.TargetGroupBinding", "eks-notes-binding_records"),
        ("kubernetes.NetworkPolicy", "eks-notes-gateway"),
        ("kubernetes.NetworkPolicy", "eks-namespaces-records-deny"),
        ("kubernetes.ResourceQuota", "eks-namespaces-records-quota"),
    ):
        assert recording.one(kind, name).urn in needed


def test_the_role_of_a_pod_is_given_to_its_own_service_account():
    recording = run(EKS_FULL)
    association = recording.one("eks.PodIdentityAssociation", "eks-notes-identity")
    assert association.inputs == {
        "clusterName": CLUSTER_NAME,
        "namespace": "records",
        "serviceAccount": "notes",
        "roleArn": recording.one("iam.Role", "eks-notes-pod").state["arn"],
    }


def test_every_namespace_has_the_discovery_document_that_the_parameter_has():
    recording = run(EKS_FULL)
    parameter = recording.one("ssm.Parameter").inputs["value"].value
    found = {
        made.inputs["metadata"]["namespace"]: made.inputs["data"]
        for made in recording.of("kubernetes.ConfigMap")
        if made.inputs["metadata"]["name"] == "discovery"
    }
    assert found.keys() == {"mcp", "records", "payments"}
    for data in found.values():
        assert data.keys() == {"discovery"}
        assert json.loads(data["discovery"]) == json.loads(parameter)


# Alarms


def test_alarms_are_about_the_deployment_in_its_namespace():
    recording = run(EKS_FULL)
    alarm = recording.one("cloudwatch.MetricAlarm", "eks-notes-memory-alarm").inputs
    assert (alarm["namespace"], alarm["metricName"]) == (
        "ContainerInsights",
        "pod_memory_utilization_over_pod_limit",
    )
    assert alarm["dimensions"] == {
        "ClusterName": CLUSTER_NAME,
        "Namespace": "records",
        "PodName": "notes",
    }
    assert alarm["threshold"] == 90


def test_behind_the_gateway_a_workload_has_the_alarms_that_it_has_on_ecs_too():
    recording = run(EKS_FULL)
    alarms = {
        name: {
            made.name.removeprefix(f"eks-{name}-").removesuffix("-alarm")
            for made in recording.of("cloudwatch.MetricAlarm")
            if made.name.startswith(f"eks-{name}-")
        }
        for name in WORKLOADS
    }
    inside = {"cpu", "memory", "running"}
    for name in WORKLOADS:
        behind = {"5xx", "unhealthy"} if LOADS[name].get("expose", True) else set[str]()
        assert alarms[name] == inside | behind
