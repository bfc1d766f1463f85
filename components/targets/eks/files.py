"""A workload's files: its access point of the fleet's file system, as a volume."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.foundation.storage import Storage
from core.stack import Stack

VOLUME = "files"


def claim_name(workload: str) -> str:
    """What a workload's claim to its volume is called.

    Not by the workload's own name, which it had before: one claim cannot take the place of another
    of the same name without an end of the pods in between.
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
    """Makes the volume of a workload, and its claim to it; the files outlive both.

    A volume belongs to one claim for good: Kubernetes notes the claim's uid in it, and does not
    bind it again when that claim is gone. So each namespace has a volume of its own, named after
    it, for the same files. Where one takes the place of another, Pulumi makes the new one first,
    and deletes the old one when no pod uses it any more.

    Args:
        name: The stem of the logical names.
        workload: The workload.
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
        # Dots, which none of the three has, so that no two volumes come to the same name.
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
