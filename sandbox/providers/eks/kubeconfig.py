"""The kubeconfig that eks:index:Cluster outputs (source: pulumi-eks cluster.ts)."""

import json
from collections.abc import Mapping
from typing import Any

_EXEC = "client.authentication.k8s.io/v1beta1"


def kubeconfig(
    *,
    cluster_name: str,
    endpoint: str,
    certificate_authority: str,
    region: str,
    role_arn: str | None = None,
    profile: str | None = None,
) -> dict[str, Any]:
    """A kubeconfig that gets its token from the AWS CLI.

    Args:
        cluster_name: name of the EKS cluster.
        endpoint: URL of its API server.
        certificate_authority: its certificate, in base64.
        region: its region.
        role_arn: role to assume first, or None.
        profile: profile of the AWS CLI, or None.

    Returns:
        The file's content, with its keys in the order in which the real component writes them.
    """
    args = ["--region", region, "eks", "get-token", "--cluster-name", cluster_name]
    args += ["--output", "json"]
    args += ["--role", role_arn] if role_arn else []
    args += ["--profile", profile] if profile else []
    info = {"name": "KUBERNETES_EXEC_INFO", "value": f'{{"apiVersion": "{_EXEC}"}}'}
    server = {"server": endpoint, "certificate-authority-data": certificate_authority}
    login = {"apiVersion": _EXEC, "command": "aws", "args": args, "env": [info]}
    return {
        "apiVersion": "v1",
        "clusters": [{"cluster": server, "name": "kubernetes"}],
        "contexts": [{"context": {"cluster": "kubernetes", "user": "aws"}, "name": "aws"}],
        "current-context": "aws",
        "kind": "Config",
        "users": [{"name": "aws", "user": {"exec": login}}],
    }


def as_json(config: Mapping[str, Any]) -> str:
    """A kubeconfig as one line of JSON.

    Args:
        config: the file's content.

    Returns:
        JSON without spaces, keys in their order.
    """
    return json.dumps(config, separators=(",", ":"), ensure_ascii=False)
