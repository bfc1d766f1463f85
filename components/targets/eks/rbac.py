"""What an agent may read of the cluster's API: where its servers are, and nothing else."""

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
    """Makes a Role and its binding in the agent's namespace, and in each one of its servers.

    The agent may get, by name, the discovery document and the services of the servers that it uses.

    Args:
        name: The stem of the logical names.
        agent: The agent, of which the service account has the name.
        fleet: The fleet.
        labels: Its labels.
        opts: The options of all of them.

    Returns:
        The objects, without which the agent's first pod finds no server.
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
        # A dot, which no agent's name has: no two agents share a role.
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
