"""Evaluates security groups, whose rules come from three kinds of resources.

Facts from the Amazon VPC User Guide ("Security group rules") and the Amazon EKS User Guide ("View
Amazon EKS security group requirements for clusters"). Groups are stateful: responses need no rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from sandbox.cloud.store import Cloud
from sandbox.providers.kubernetes.clusters import EKS_CLUSTER
from sandbox.values.tree import part, parts

INGRESS, EGRESS = "ingress", "egress"
_OWN_RULES = {
    INGRESS: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    EGRESS: "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
}
_TCP = frozenset({"tcp", "6"})
_ALL = "-1"
_EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """One end of a connection.

    Attributes:
        name: Its name in messages.
        groups: The ids of the security groups of its network interface.
        subnets: The CIDR blocks of its subnets; it can be in any of them.
    """

    name: str
    groups: tuple[str, ...]
    subnets: tuple[IPv4Network, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """TCP ports that a group allows to or from groups and CIDR blocks; `ports` None for all."""

    group: str
    direction: str
    ports: range | None
    groups: frozenset[str]
    blocks: tuple[IPv4Network, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """All security groups of a cloud.

    Attributes:
        rules: The connections that they allow.
        names: The groups' names, by id.
    """

    rules: tuple[_Rule, ...]
    names: Mapping[str, str]


def read(cloud: Cloud) -> Groups:
    """Reads the security groups of a cloud.

    Args:
        cloud: The cloud.

    Returns:
        The security groups.
    """
    names = {
        stored.id: str(stored.properties.get("name"))
        for stored in cloud.list("aws", "aws:ec2/securityGroup:SecurityGroup")
    }
    return Groups(rules=tuple(_rules(cloud)), names=names)


def refusal(groups: Groups, source: End, destination: End, port: int) -> str | None:
    """The reason why security groups do not allow a connection.

    Args:
        groups: The security groups.
        source: The source; without a group, its egress is not restricted.
        destination: The destination.
        port: The TCP port.

    Returns:
        The reason with the groups and the port, or None if the groups allow it.
    """
    ways = [(INGRESS, "from", destination, source)]
    if source.groups:
        ways.insert(0, (EGRESS, "to", source, destination))
    for direction, preposition, own, other in ways:
        if not _lets(groups.rules, direction, own, other, port):
            return (
                f"the security groups of {own.name} ({_named(own, groups)}) have no {direction} "
                f"rule for TCP port {port} {preposition} {other.name} ({_named(other, groups)})"
            )
    return None


def subnets(cloud: Cloud, ids: Sequence[str]) -> tuple[IPv4Network, ...]:
    """The CIDR blocks of subnets; subnets that are not in the cloud have none.

    Args:
        cloud: The cloud.
        ids: The subnets' ids.

    Returns:
        Their IPv4 blocks.
    """
    known = {one.id: one.properties for one in cloud.list("aws", "aws:ec2/subnet:Subnet")}
    return tuple(IPv4Network(known[each]["cidrBlock"]) for each in ids if each in known)


def inside(addresses: Sequence[IPv4Network], blocks: Sequence[IPv4Network]) -> bool:
    """Whether CIDR blocks contain all addresses.

    Args:
        addresses: The CIDR blocks of the addresses.
        blocks: The allowed CIDR blocks.

    Returns:
        Whether they do; False without an address.
    """
    return bool(addresses) and all(
        any(address.subnet_of(block) for block in blocks) for address in addresses
    )


def _lets(rules: Sequence[_Rule], direction: str, own: End, other: End, port: int) -> bool:
    asked = [
        rule
        for rule in rules
        if rule.direction == direction
        and rule.group in own.groups
        and (rule.ports is None or port in rule.ports)
    ]
    if any(not rule.groups.isdisjoint(other.groups) for rule in asked):
        return True
    return inside(other.subnets, [block for rule in asked for block in rule.blocks])


def _rules(cloud: Cloud) -> Iterator[_Rule]:
    lists = _prefix_lists(cloud)
    for direction, type_ in _OWN_RULES.items():
        for stored in cloud.list("aws", type_):
            rule = stored.properties
            yield from _rule(
                str(rule.get("securityGroupId")),
                direction,
                rule,
                groups=[rule.get("referencedSecurityGroupId")],
                blocks=[rule.get("cidrIpv4"), *lists.get(str(rule.get("prefixListId")), ())],
            )
    for stored in cloud.list("aws", "aws:ec2/securityGroup:SecurityGroup"):
        for direction in (INGRESS, EGRESS):
            for rule in parts(stored.properties, direction):
                yield from _older_rule(
                    stored.id, direction, rule, rule.get("securityGroups"), lists
                )
    for stored in cloud.list("aws", "aws:ec2/securityGroupRule:SecurityGroupRule"):
        rule = stored.properties
        group, direction = str(rule.get("securityGroupId")), str(rule.get("type"))
        yield from _older_rule(group, direction, rule, [rule.get("sourceSecurityGroupId")], lists)
    for stored in cloud.list("aws", EKS_CLUSTER):
        # EKS creates this group with these rules.
        group = part(stored.properties, "vpcConfig").get("clusterSecurityGroupId")
        if group:
            everything = {"protocol": _ALL}
            yield from _rule(group, INGRESS, everything, groups=[group], blocks=[])
            yield from _rule(group, EGRESS, everything, groups=[], blocks=[_EVERYWHERE])


def _older_rule(
    group: str,
    direction: str,
    rule: Mapping[str, Any],
    groups: Sequence[Any] | None,
    lists: Mapping[str, Sequence[str]],
) -> Iterator[_Rule]:
    """A rule of an inline block of a group or of aws.ec2.SecurityGroupRule."""
    of_lists = [block for id_ in rule.get("prefixListIds") or () for block in lists.get(id_, ())]
    yield from _rule(
        group,
        direction,
        rule,
        groups=[*(groups or ()), *([group] if rule.get("self") else [])],
        blocks=[*(rule.get("cidrBlocks") or ()), *of_lists],
    )


def _rule(
    group: str,
    direction: str,
    rule: Mapping[str, Any],
    *,
    groups: Sequence[Any],
    blocks: Sequence[Any],
) -> Iterator[_Rule]:
    protocol = str(rule.get("ipProtocol") or rule.get("protocol"))
    if protocol not in {*_TCP, _ALL}:
        return
    first, last = rule.get("fromPort"), rule.get("toPort")
    everything = protocol == _ALL or first in (None, -1)
    yield _Rule(
        group=group,
        direction=direction,
        ports=None if everything else range(int(first or 0), int(last or 0) + 1),
        groups=frozenset(str(one) for one in groups if one),
        blocks=tuple(IPv4Network(str(one)) for one in blocks if one and ":" not in str(one)),
    )


def _prefix_lists(cloud: Cloud) -> dict[str, list[str]]:
    """The CIDR blocks of customer-managed prefix lists by id; those of AWS contain no workload."""
    return {
        stored.id: [str(entry.get("cidr")) for entry in parts(stored.properties, "entries")]
        for stored in cloud.list("aws", "aws:ec2/managedPrefixList:ManagedPrefixList")
    }


def _named(end: End, groups: Groups) -> str:
    named = [f"{groups.names[one]} {one}" if one in groups.names else one for one in end.groups]
    return ", ".join(named) or "no security group"
