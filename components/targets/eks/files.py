"""A workload's files: its access point of the fleet's file system, as a volume."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.foundation.storage import Storage
from core.stack import Stack

VOLUME = "files"


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
    """Makes the volume of a workload, and its claim to it; the files outlive both.

    Args:
        name: The stem of the logical names.
        workload: The workload, of which the claim has the name.
        namespace: Its namespace.
        labels: Its labels.
        stack: The stack: volumes are in no namespace.
        storage: The fleet's file system.
        opts: The options of both.
    """
    # A file system grows by itself: the size is there because Kubernetes wants one.
    size = {"storage": "1Gi"}
    volume = k8s.core.v1.PersistentVolume(
        f"{name}-volume",
        metadata={"name": f"{stack.label}-{workload}", "labels": labels},
        spec={
            "capacity": size,
            "volume_mode": "Filesystem",
            "access_modes": ["ReadWriteMany"],
            "persistent_volume_reclaim_policy": "Retain",
            "storage_class_name": "",
            "mount_options": ["iam"],  # TLS is the driver's default
            "claim_ref": {"namespace": namespace, "name": workload},
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
        metadata={"name": workload, "namespace": namespace, "labels": labels},
        spec={
            "access_modes": ["ReadWriteMany"],
            "storage_class_name": "",
            "volume_name": volume.metadata.name,
            "resources": {"requests": size},
        },
        opts=opts,
    )
