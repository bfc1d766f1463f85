"""The security groups of the tasks, and their rules."""

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
    """The security groups of the tasks of a workload, and their rules.

    Attributes:
        security_group_ids: The security groups. The workload's own group is first.
        rules: The ingress and egress rules that concern the workload. The service depends on them,
            so they exist before its first task starts and until its last task stops.
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
    """Creates the security groups, then the rules, which refer to two groups each.

    Two groups are shared. All tasks have one for HTTPS egress, and tasks behind the gateway have
    one for ingress from it. Without shared groups, the gateway would need one rule for every
    workload, which exceeds the quota of rules in a security group.

    The logical name of a rule starts with its purpose. An underscore separates the source from the
    destination. Names of workloads have no underscore, so the logical names are unique.

    Args:
        name: The prefix of the logical names.
        fleet: The fleet.
        foundation: The foundation.
        gateway: The gateway.
        parent: The parent component.

    Returns:
        The security groups and rules of each service, by workload.
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
    """Creates the security group of a workload, which earlier was a child of its component."""
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
