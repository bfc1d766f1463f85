"""The pods of a workload: one container, under the Pod Security Standard `restricted`."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.foundation.storage import OWNER
from components.targets.eks import files, vault
from components.targets.eks.labels import selector
from components.targets.eks.nodes import CAPACITY_LABELS, has_spot
from core import timeouts
from core.config.model import Agent, Fleet, Server
from core.contract import HEALTH_PATH, PORT
from core.mounts import TEMPORARY
from core.resolved import ResolvedFleet, Workload
from core.targets.eks.kubernetes import PRE_STOP_SECONDS, grace_period_seconds, millicores
from core.targets.eks.paths import VAULT

_TEMPORARY = "tmp"
_TEMPORARY_SIZE = "1Gi"

_ZONE, _NODE = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def pod_spec(
    workload: Workload,
    *,
    fleet: ResolvedFleet,
    image: pulumi.Input[str],
    variables: Mapping[str, pulumi.Input[str]],
    secrets: list[str],
    secrets_from: pulumi.Input[str],
    priority: pulumi.Input[str],
) -> k8s.core.v1.PodSpecArgsDict:
    """The specification of a pod.

    Args:
        workload: The workload. The service account and the container have its name.
        fleet: The fleet.
        image: The image, with a digest.
        variables: The plain-text variables.
        secrets: The names of the secret variables.
        secrets_from: The name of the Kubernetes Secret and of its SecretProviderClass.
        priority: The name of the priority class.
    """
    config, stack = workload.config, fleet.stack
    volumes: list[k8s.core.v1.VolumeArgsDict] = [
        {"name": _TEMPORARY, "empty_dir": {"size_limit": _TEMPORARY_SIZE}}
    ]
    mounts: list[k8s.core.v1.VolumeMountArgsDict] = [{"name": _TEMPORARY, "mount_path": TEMPORARY}]
    if secrets:
        volumes.append(
            {
                "name": vault.VOLUME,
                "csi": {
                    "driver": "secrets-store.csi.k8s.io",
                    "read_only": True,
                    "volume_attributes": {"secretProviderClass": secrets_from},
                },
            }
        )
        mounts.append({"name": vault.VOLUME, "mount_path": VAULT, "read_only": True})
    if workload.files_path:
        claim = files.claim_name(workload.name)
        volumes.append({"name": files.VOLUME, "persistent_volume_claim": {"claim_name": claim}})
        mounts.append({"name": files.VOLUME, "mount_path": workload.files_path})
    # Requests equal limits, as on the other targets, so that load on other pods has no effect.
    size = {"cpu": f"{millicores(workload.cpu)}m", "memory": f"{workload.memory_mib}Mi"}
    probe: k8s.core.v1.ProbeArgsDict = {
        "http_get": {"path": HEALTH_PATH, "port": PORT},
        "period_seconds": timeouts.HEALTH.interval_seconds,
        "timeout_seconds": timeouts.HEALTH.timeout_seconds,
    }
    return {
        "service_account_name": workload.name,
        # Only agents have permissions in the Kubernetes API.
        "automount_service_account_token": isinstance(config, Agent),
        "enable_service_links": False,
        "priority_class_name": priority,
        "termination_grace_period_seconds": grace_period_seconds(workload.container.timeouts),
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": OWNER,
            "run_as_group": OWNER,
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "node_selector": _nodes(fleet.config, config),
        "topology_spread_constraints": _spread(workload, fleet),
        "affinity": {
            "pod_anti_affinity": {
                "preferred_during_scheduling_ignored_during_execution": [
                    {
                        "weight": 100,
                        "pod_affinity_term": {
                            "topology_key": _NODE,
                            "label_selector": {"match_labels": selector(workload.name, stack)},
                        },
                    }
                ]
            }
        },
        "containers": [
            {
                "name": workload.name,
                "image": image,
                # The reference contains a digest, so a cached image is always correct.
                "image_pull_policy": "IfNotPresent",
                "ports": [{"name": "http", "container_port": PORT, "protocol": "TCP"}],
                "env": [
                    *({"name": name, "value": value} for name, value in sorted(variables.items())),
                    *(
                        {
                            "name": name,
                            "value_from": {"secret_key_ref": {"name": secrets_from, "key": name}},
                        }
                        for name in sorted(secrets)
                    ),
                ],
                "resources": {"requests": size, "limits": size},
                "startup_probe": {
                    **probe,
                    "period_seconds": _STARTUP_PERIOD_SECONDS,
                    "failure_threshold": timeouts.HEALTH.start_seconds // _STARTUP_PERIOD_SECONDS,
                },
                "readiness_probe": {
                    **probe,
                    "success_threshold": 1,
                    "failure_threshold": timeouts.HEALTH.failures,
                },
                "liveness_probe": {**probe, "failure_threshold": _LIVENESS_FAILURES},
                "lifecycle": {"pre_stop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
                "security_context": {
                    "allow_privilege_escalation": False,
                    "privileged": False,
                    "read_only_root_filesystem": not config.writable_root,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volume_mounts": mounts,
            }
        ],
        "volumes": volumes,
    }


_STARTUP_PERIOD_SECONDS = 5

# The readiness probe removes an unresponsive replica from the service first. The liveness probe
# restarts it much later, because it may be busy with a long call.
_LIVENESS_FAILURES = 10


def _nodes(fleet: Fleet, load: Server | Agent) -> dict[str, str]:
    """The node selector: Graviton and, if only other workloads use Spot, on demand."""
    label, on_demand = CAPACITY_LABELS[fleet.cluster.nodes]
    apart = {label: on_demand} if has_spot(fleet) and not load.spot else {}
    return {"kubernetes.io/arch": "arm64", **apart}


def _spread(
    workload: Workload, fleet: ResolvedFleet
) -> list[k8s.core.v1.TopologySpreadConstraintArgsDict]:
    """Spreads replicas over zones, nodes and, with Spot, over both types of capacity."""
    capacity, _ = CAPACITY_LABELS[fleet.config.cluster.nodes]
    keys = [_ZONE, _NODE, *([capacity] if workload.config.spot else [])]
    return [
        {
            "topology_key": key,
            "max_skew": 1,
            "when_unsatisfiable": "ScheduleAnyway",
            "label_selector": {"match_labels": selector(workload.name, fleet.stack)},
            # Spread the replicas of each revision separately during a rolling update.
            "match_label_keys": ["pod-template-hash"],
        }
        for key in keys
    ]
