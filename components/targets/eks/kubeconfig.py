"""The kubeconfig of the provider: the cluster's address and the credentials for it."""

import pulumi

from components.targets.eks.cluster import Cluster


def kubeconfig(cluster: Cluster, region: str, aws_config: pulumi.Config) -> pulumi.Output[str]:
    """The kubeconfig of the cluster, in JSON.

    The AWS CLI issues a token for every call, so the kubeconfig contains none. It uses the profile
    or the role of the stack's AWS provider, because the creator of a cluster has access to it.

    Args:
        cluster: The cluster.
        region: Its region.
        aws_config: The stack's `aws:` configuration.
    """
    arguments = ["eks", "get-token", "--cluster-name", cluster.name, "--region", region]
    roles: list[dict[str, str]] = aws_config.get_object("assumeRoles") or []
    for role in roles:  # at most one (core.config.rules)
        arguments += ["--role-arn", role["roleArn"]]
    profile = aws_config.get("profile")
    return pulumi.Output.json_dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "cluster",
                    "cluster": {
                        "server": cluster.endpoint,
                        "certificate-authority-data": cluster.authority,
                    },
                }
            ],
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "aws"}}],
            "current-context": "cluster",
            "users": [
                {
                    "name": "aws",
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1",
                            "command": "aws",
                            "args": [*arguments, "--output", "json"],
                            "env": [{"name": "AWS_PROFILE", "value": profile}] if profile else None,
                            "interactiveMode": "Never",
                        }
                    },
                }
            ],
        }
    )
