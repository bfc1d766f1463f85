"""The security groups of the tasks, and the rules that follow the fleet's graph."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.foundation.storage import NFS_PORT
from components.gateway.gateway import Gateway
from components.traffic import allow, let_out
from core.contract import PORT
from core.resolved import ResolvedFleet
from core.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What the tasks of one workload carry.

    Attributes:
        security_group_ids: Their security groups, the workload's own first.
        rules: Every rule of these groups that concerns the workload, at both ends. A service
            depends on them: they exist before its first task starts, and until its last has ended.
    """

    security_group_ids: list[pulumi.Output[str]]
    rules: list[pulumi.Resource]


def open_traffic(
    name: str,
    *,
    fleet: ResolvedFleet,
    foundation: Foundation,
    gateway: Gateway,
    parent: pulumi.Resource,
) -> dict[str, Traffic]:
    """Makes all security groups, then all rules: a rule names two groups.

    Two groups are shared: one that every task carries, to reach what it starts and works with over
    HTTPS, and one for the tasks behind the gateway. Without them every task would need these rules
    of its own, and the gateway one for every task, more than a security group holds.

    What a rule is for leads its name, and an underscore, which no workload's name has, separates
    the two ends: so no two rules have the same name.

    Args:
        name: The stem of the logical names.
        fleet: The fleet.
        foundation: The foundation.
        gateway: The gateway.
        parent: The component that they belong to.

    Returns:
        What the tasks of each service carry, by workload.
    """
    child, stack = pulumi.ResourceOptions(parent=parent), fleet.stack

    def shared(what: str, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            f"{name}-{what}",
            description=description,
            vpc_id=foundation.vpc_id,
            tags={"Name": f"{stack.label}-{what}"},
            opts=child,
        )

    outbound = shared("outbound", "Every task, to what it starts and works with")
    routed = shared("routed", "Tasks behind the gateway")
    groups = {
        workload: _own_group(name, workload, stack, foundation, parent)
        for workload in fleet.workloads
    }
    to_https = let_out(
        f"{name}-outbound",
        parent=parent,
        group=outbound,
        destinations=foundation.network.https_destinations,
    )
    traffic = {
        workload: Traffic(security_group_ids=[group.id, outbound.id], rules=[*to_https])
        for workload, group in groups.items()
    }
    if gateway.routes:
        from_gateway = allow(
            f"{name}-gateway-to-routed",
            parent=parent,
            source=gateway.security_group_id,
            destination=routed.id,
            port=PORT,
            description="The gateway to the workloads behind it",
        )
        for workload in gateway.routes:
            traffic[workload].security_group_ids.append(routed.id)
            traffic[workload].rules.extend([*gateway.rules, *from_gateway])
    for agent, server in fleet.graph.edges:
        rules = allow(
            f"{name}-use-{agent}_{server}",
            parent=parent,
            source=groups[agent].id,
            destination=groups[server].id,
            port=PORT,
            description=f"{agent} uses {server}",
        )
        traffic[agent].rules.extend(rules)
        traffic[server].rules.extend(rules)
    if foundation.storage:
        for workload, resolved in fleet.workloads.items():
            if any(container.config.storage for container in resolved.containers):
                traffic[workload].rules.extend(
                    allow(
                        f"{name}-files-{workload}",
                        parent=parent,
                        source=groups[workload].id,
                        destination=foundation.storage.security_group_id,
                        port=NFS_PORT,
                        description=f"{workload} mounts its files",
                    )
                )
    return traffic


def _own_group(
    name: str, workload: str, stack: Stack, foundation: Foundation, parent: pulumi.Resource
) -> aws.ec2.SecurityGroup:
    """Makes the security group of a workload, which was a child of the workload's component."""
    former = parent.urn.apply(
        lambda urn: f"{urn.rpartition('::')[0]}$mcp-platform:ecs:Workload::{name}-{workload}"
    )
    return aws.ec2.SecurityGroup(
        f"{name}-{workload}-group",
        description=f"Tasks of {workload}",
        vpc_id=foundation.vpc_id,
        tags={"Name": f"{stack.label}-{workload}"},
        opts=pulumi.ResourceOptions(parent=parent, aliases=[pulumi.Alias(parent=former)]),
    )
