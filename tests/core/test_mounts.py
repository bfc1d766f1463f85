from typing import Any

import pytest

from core.config.model import Fleet
from core.mounts import TEMPORARY
from core.targets.dispatch import check
from core.targets.ecs import paths as ecs_paths
from core.targets.eks import paths as eks_paths
from core.targets.eks.paths import VAULT

_IMAGE = {"image": {"uri": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/a@sha256:{'0' * 64}"}}


def _faults(target: str, mount: str, **keys: Any) -> list[tuple[tuple[str | int, ...], str]]:
    server = _IMAGE | {"storage": {"mount": mount}} | keys
    fleet = Fleet.model_validate({"target": target, "servers": {"notes": server}})
    return [
        (fault.path, fault.allowed)
        for fault in check(fleet, "us-east-1")
        if fault.path[-1] == "mount"
    ]


@pytest.mark.parametrize(
    ("target", "mount", "taken"),
    [
        ("eks", "/tmp", "/tmp contains temporary files"),  # noqa: S108 - in a container
        ("ecs", "/tmp", "/tmp contains temporary files"),  # noqa: S108 - in a container
        ("eks", VAULT, f"{VAULT} contains the pod's secrets"),
        ("eks", f"{VAULT}/files", f"{VAULT} contains the pod's secrets"),
        # It would hide the mounts below it.
        ("eks", "/var/run", "/var/run/secrets contains the tokens of the pod's service account"),
        ("eks", "/var", "/var/run/secrets contains the tokens of the pod's service account"),
        ("eks", "/run", "/run/secrets contains the tokens of the pod's service account"),
        ("eks", "/var/run/secrets/eks.amazonaws.com", "/var/run/secrets contains the tokens"),
        ("eks", "/etc", "/etc contains the container's name and its DNS servers"),
        ("ecs", "/proc/files", "/proc contains the container's processes"),
        ("ecs", "/dev", "/dev contains the container's devices"),
        ("ecs", "/sys", "/sys contains the kernel's settings"),
        # Files in this folder would be read as secrets.
        ("ecs", "/mnt/secrets", "/mnt/secrets contains secrets in files"),
        ("eks", "/mnt", "/mnt/secrets contains secrets in files"),
        ("lambda", "/secrets", "/mnt/secrets contains secrets in files"),
    ],
)
def test_files_are_not_mounted_where_the_target_has_something(target: str, mount: str, taken: str):
    ((path, allowed),) = _faults(target, mount)
    assert path == ("servers", "notes", "storage", "mount")
    assert allowed.startswith(f"a path that the {target} target does not use, for example /data: ")
    assert taken in allowed


@pytest.mark.parametrize(
    ("target", "mount", "keys"),
    [
        ("eks", "/data", {}),
        ("eks", "/tmp/files", {}),  # noqa: S108 - in a container
        ("eks", "/temporary", {}),
        ("eks", "/etc/notes", {}),
        ("eks", "/var/audit", {}),
        ("ecs", "/var", {}),
        # The root is writable, and nothing is mounted there.
        ("ecs", "/tmp", {"writable_root": True}),  # noqa: S108 - in a container
        # It is at /mnt/tmp.
        ("lambda", "/tmp", {}),  # noqa: S108 - in a container
    ],
)
def test_files_are_mounted_anywhere_else(target: str, mount: str, keys: dict[str, Any]):
    assert _faults(target, mount, **keys) == []


def test_temporary_files_of_a_pod_have_a_volume_with_any_root():
    fleet = Fleet.model_validate({"servers": {"notes": _IMAGE | {"writable_root": True}}})
    assert TEMPORARY in eks_paths.used(fleet.servers["notes"])
    assert TEMPORARY not in ecs_paths.used(fleet.servers["notes"])
