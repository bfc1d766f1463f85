"""The paths of a container on EKS."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.config.model import Agent, Server, Storage
from core.mounts import RUNTIME, SECRETS, TEMPORARY

VAULT: Final = "/var/run/mcp-platform/vault"
"""The mount path of the volume that fetches the secrets of a pod. Nothing reads them there."""

# Kubernetes, "Configure Service Accounts for Pods"; Amazon EKS User Guide, "Learn how EKS Pod
# Identity grants pods access to AWS services". /run, as images have /var/run as a link to it.
_POD: Final[Mapping[str, str]] = MappingProxyType(
    {f"{run}/secrets": "the tokens of the pod's service account" for run in ("/var/run", "/run")}
    | {
        f"{run}{VAULT.removeprefix('/var/run')}": "the pod's secrets"
        for run in ("/var/run", "/run")
    }
)


def used(_load: Server | Agent) -> dict[str, str]:
    """The paths that EKS uses in the container of a workload, each with its content."""
    return {**SECRETS, **RUNTIME, TEMPORARY: "temporary files", **_POD}


def files_path(storage: Storage) -> str:
    """The path of the files of a workload."""
    return storage.mount
