"""The permissions of an agent in the Kubernetes API: it can only find its servers."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.targets.eks.namespaces import DISCOVERY
from core.resolved import ResolvedFleet, Workload


def let_discover(
    name: str,
    agent: Workload,
    *,
    fleet: ResolvedFleet,
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Creates a Role and its binding in the namespaces of the agent and of its servers.

    The agent may get, by name, the discovery document and the services of the servers that it uses.

    Args:
        name: The prefix of the logical names.
        agent: The agent. Its service account has the same name.
        fleet: The fleet.
        labels: The labels of the agent.
        opts: The options of all objects.

    Returns:
        The objects. The agent's pods depend on them.
    """
    home = agent.namespace
    services: dict[str, list[str]] = {home: []}
    made: list[pulumi.Resource] = []
    for server in agent.callees:
        services.setdefault(fleet.workloads[server].namespace, []).append(server)
    for where, servers in services.items():
        rules: list[k8s.rbac.v1.PolicyRuleArgsDict] = []
        if where == home:
            rules.append(_get("configmaps", [DISCOVERY]))
        if servers:
            rules.append(_get("services", servers))
        # Names of agents contain no dot, so the name of the role is unique.
        called = f"discover.{agent.name}"
        role = k8s.rbac.v1.Role(
            f"{name}-role-{where}",
            metadata={"name": called, "namespace": where, "labels": labels},
            rules=rules,
            opts=opts,
        )
        binding = k8s.rbac.v1.RoleBinding(
            f"{name}-role-binding-{where}",
            metadata={"name": called, "namespace": where, "labels": labels},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": called},
            subjects=[{"kind": "ServiceAccount", "name": agent.name, "namespace": home}],
            opts=opts,
        )
        made += [role, binding]
    return made


def _get(resource: str, names: list[str]) -> k8s.rbac.v1.PolicyRuleArgsDict:
    return {"api_groups": [""], "resources": [resource], "resource_names": names, "verbs": ["get"]}
