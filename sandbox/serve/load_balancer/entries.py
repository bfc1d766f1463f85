"""The load balancer that is a fleet's entry; ECS and EKS have the same kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from sandbox.cloud.store import Cloud
from sandbox.serve.fleet import DeployedError
from sandbox.serve.reachability import security_groups
from sandbox.values.tree import part, parts

_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_LISTENER = "aws:lb/listener:Listener"
_RULE = "aws:lb/listenerRule:ListenerRule"
_RECORD = "aws:route53/record:Record"
_HTTPS = "HTTPS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The load balancer.

    Attributes:
        url: The URL for clients, such as `https://mcp.example.com`.
        end: Its end of a connection to a workload.
        target_groups: The ARNs of the target groups that its rules forward to.
        network: The VPC's CIDR block; callers that are not workloads have an address in it.
    """

    url: str
    end: security_groups.End
    target_groups: frozenset[str]
    network: tuple[IPv4Network, ...]


def find(cloud: Cloud) -> Entry:
    """The load balancer of the fleet.

    Args:
        cloud: The cloud.

    Returns:
        The load balancer.

    Raises:
        DeployedError: there is none or more than one.
    """
    found = [
        stored.properties
        for stored in cloud.list("aws", _BALANCER)
        if stored.properties.get("loadBalancerType") == "application"
    ]
    if len(found) != 1:
        names = ", ".join(str(one.get("name")) for one in found) or "none"
        raise DeployedError(
            f"the cloud has {len(found)} application load balancers ({names}); exactly one is "
            "supported: deploy one stack, and destroy the others of this sandbox"
        )
    (balancer,) = found
    vpc = cloud.get("aws", "aws:ec2/vpc:Vpc", str(balancer.get("vpcId")))
    arn, dns_name = str(balancer["arn"]), str(balancer["dnsName"])
    listeners = [
        stored.properties
        for stored in cloud.list("aws", _LISTENER)
        if stored.properties.get("loadBalancerArn") == arn
    ]
    secure = any(one.get("protocol") == _HTTPS for one in listeners)
    return Entry(
        url=f"{'https' if secure else 'http'}://{_domain(cloud, dns_name) or dns_name}",
        end=security_groups.End(
            name="the gateway",
            groups=tuple(balancer.get("securityGroups") or ()),
            subnets=security_groups.subnets(cloud, balancer.get("subnets") or ()),
        ),
        target_groups=frozenset(_target_groups(cloud, {str(one["arn"]) for one in listeners})),
        network=(IPv4Network(vpc.properties["cidrBlock"]),) if vpc else (),
    )


def health_path(cloud: Cloud, target_group_arns: frozenset[str]) -> str | None:
    """The path of the health check of target groups, or None.

    Args:
        cloud: The cloud.
        target_group_arns: The ARNs of the workload's target groups.

    Returns:
        The path of the first of them.
    """
    groups = (one.properties for one in cloud.list("aws", "aws:lb/targetGroup:TargetGroup"))
    paths = (
        part(one, "healthCheck").get("path")
        for one in groups
        if one.get("arn") in target_group_arns
    )
    return next((str(path) for path in paths if path), None)


def _domain(cloud: Cloud, dns_name: str) -> str | None:
    """The DNS name of the record that points to a load balancer."""
    for stored in cloud.list("aws", _RECORD):
        if any(alias.get("name") == dns_name for alias in parts(stored.properties, "aliases")):
            return str(stored.properties.get("name")).removesuffix(".")
    return None


def _target_groups(cloud: Cloud, listeners: set[str]) -> list[str]:
    """The target groups that listeners and their rules forward to."""
    actions: list[Mapping[str, Any]] = []
    for stored in cloud.list("aws", _RULE):
        if stored.properties.get("listenerArn") in listeners:
            actions += parts(stored.properties, "actions")
    for stored in cloud.list("aws", _LISTENER):
        if stored.properties.get("arn") in listeners:
            actions += parts(stored.properties, "defaultActions")
    weighted = [
        group.get("arn") for one in actions for group in parts(part(one, "forward"), "targetGroups")
    ]
    return [str(arn) for arn in (*(one.get("targetGroupArn") for one in actions), *weighted) if arn]
