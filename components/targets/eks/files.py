"""The files of a workload: its EFS access point as a volume."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.foundation.storage import Storage
from core.stack import Stack

VOLUME = "files"


def claim_name(workload: str) -> str:
    """The name of a workload's persistent volume claim.

    It differs from the name of the workload, which earlier versions used. A claim cannot replace
    another claim of the same name while pods use it.
    """
    return f"files.{workload}"


def volume_claim(
    name: str,
    workload: str,
    *,
    namespace: str,
    labels: Mapping[str, str],
    stack: Stack,
    storage: Storage,
    opts: pulumi.ResourceOptions,
) -> k8s.core.v1.PersistentVolumeClaim:
    """Creates the persistent volume of a workload and its claim. The files outlive both.

    Kubernetes writes the uid of the claim into the volume and does not bind the volume again after
    the claim is deleted. So each namespace has its own volume for the same files, and the name of
    the volume contains the namespace. When a workload moves, Pulumi creates the new volume first
    and deletes the old one when no pod uses it.

    Args:
        name: The prefix of the logical names.
        workload: The workload.
        namespace: The namespace of the workload.
        labels: The labels of the workload.
        stack: The stack. Its name is in the name of the volume, which has no namespace.
        storage: The file system of the fleet.
        opts: The options of the volume and the claim.
    """
    # Kubernetes requires a size. EFS ignores it, because a file system is elastic.
    size = {"storage": "1Gi"}
    volume = k8s.core.v1.PersistentVolume(
        f"{name}-volume",
        # None of the three parts contains a dot, so the name is unique.
        metadata={"name": f"{stack.label}.{namespace}.{workload}", "labels": labels},
        spec={
            "capacity": size,
            "volume_mode": "Filesystem",
            "access_modes": ["ReadWriteMany"],
            "persistent_volume_reclaim_policy": "Retain",
            "storage_class_name": "",
            "mount_options": ["iam"],  # TLS is the driver's default
            "claim_ref": {"namespace": namespace, "name": claim_name(workload)},
            "csi": {
                "driver": "efs.csi.aws.com",
                "volume_handle": pulumi.Output.concat(
                    storage.file_system_id, "::", storage.access_point_ids[workload]
                ),
            },
        },
        opts=opts,
    )
    return k8s.core.v1.PersistentVolumeClaim(
        f"{name}-claim",
        metadata={"name": claim_name(workload), "namespace": namespace, "labels": labels},
        spec={
            "access_modes": ["ReadWriteMany"],
            "storage_class_name": "",
            "volume_name": volume.metadata.name,
            "resources": {"requests": size},
        },
        opts=opts,
    )
