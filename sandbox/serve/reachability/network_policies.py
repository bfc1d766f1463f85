"""Evaluates network policies as Kubernetes defines and the VPC CNI enforces them.

Facts from the Kubernetes documentation ("Network Policies"), its API reference (NetworkPolicySpec,
LabelSelector) and the Amazon EKS User Guide ("Limit pod traffic with Kubernetes network policies":
pods have addresses of the VPC, so ipBlock matches them too). Policies are stateful: responses need
no rule. Only TCP is evaluated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any

from sandbox.values.tree import part, parts

INGRESS, EGRESS = "Ingress", "Egress"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""The label with the name of a namespace, which the API server adds to each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """One end of a connection.

    Attributes:
        name: Its name in messages.
        subnets: The CIDR blocks that contain its address.
        namespace: The namespace of a pod; empty if it is not a pod.
        labels: The pod's labels.
        namespace_labels: Those of its namespace.
        ports: The pod's ports by name.
    """

    name: str
    subnets: tuple[IPv4Network, ...]
    namespace: str = ""
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    ports: Mapping[str, int]


def outside(name: str, subnets: Sequence[IPv4Network]) -> Peer:
    """An end that is not a pod.

    Args:
        name: Its name in messages.
        subnets: The CIDR blocks that contain its address.

    Returns:
        The end.
    """
    return Peer(name=name, subnets=tuple(subnets), labels={}, namespace_labels={}, ports={})


def refusal(
    policies: Sequence[Mapping[str, Any]], source: Peer, destination: Peer, port: int
) -> str | None:
    """The reason why network policies do not allow a connection.

    Args:
        policies: The NetworkPolicies of the cluster.
        source: The source.
        destination: The destination.
        port: The TCP port of the destination.

    Returns:
        The reason with the policies and the port, or None if they allow it.
    """
    for direction, own, other, preposition in (
        (EGRESS, source, destination, "to"),
        (INGRESS, destination, source, "from"),
    ):
        isolating = [one for one in policies if _isolates(one, direction, own)]
        # The end can have any address of its subnets, so the rules must allow all of them.
        if isolating and not all(
            any(
                _lets(policy, direction, other, address, port, destination.ports)
                for policy in isolating
            )
            for address in other.subnets or (None,)
        ):
            names = ", ".join(sorted(str(one["metadata"]["name"]) for one in isolating))
            return (
                f"the network policies of {own.name} in the namespace {own.namespace} ({names}) "
                f"have no {direction.lower()} rule for TCP port {port} {preposition} {other.name}"
            )
    return None


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches an object.

    Args:
        selector: The selector; an empty one selects everything.
        labels: The labels of the object.

    Returns:
        Whether all of its requirements are met.
    """
    return all(
        labels.get(key) == value for key, value in part(selector, "matchLabels").items()
    ) and all(_meets(one, labels) for one in parts(selector, "matchExpressions"))


def _meets(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    found = labels.get(str(requirement["key"]))
    values: Sequence[str] = requirement.get("values") or ()
    return {
        "In": found in values,
        "NotIn": found not in values,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }[str(requirement["operator"])]


def _isolates(policy: Mapping[str, Any], direction: str, pod: Peer) -> bool:
    spec = part(policy, "spec")
    # Without policyTypes, a policy applies to ingress, and to egress if it has egress rules.
    types = spec.get("policyTypes") or [INGRESS, *([EGRESS] if spec.get("egress") else [])]
    return (
        direction in types
        and policy["metadata"].get("namespace") == pod.namespace
        and selects(part(spec, "podSelector"), pod.labels)
    )


def _lets(
    policy: Mapping[str, Any],
    direction: str,
    other: Peer,
    address: IPv4Network | None,
    port: int,
    names: Mapping[str, int],
) -> bool:
    own = str(policy["metadata"].get("namespace"))
    side = "from" if direction == INGRESS else "to"
    return any(
        _port_matches(rule, port, names)
        and (
            not rule.get(side)
            or any(_is_peer(one, other, address, own) for one in parts(rule, side))
        )
        for rule in parts(part(policy, "spec"), direction.lower())
    )


def _port_matches(rule: Mapping[str, Any], port: int, names: Mapping[str, int]) -> bool:
    """Whether a rule applies to a port; named ports are those of the destination."""

    def matches(one: Mapping[str, Any]) -> bool:
        first = one.get("port")
        if str(one.get("protocol") or "TCP") != "TCP":
            return False
        if first is None:
            return True
        if isinstance(first, str) and not first.isdecimal():
            return names.get(first) == port
        return int(first) <= port <= int(one.get("endPort") or first)

    return not rule.get("ports") or any(matches(one) for one in parts(rule, "ports"))


def _is_peer(
    peer: Mapping[str, Any], other: Peer, address: IPv4Network | None, own_namespace: str
) -> bool:
    block = part(peer, "ipBlock")
    if block:
        return address is not None and _is_in_block(block, address)
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        placed = selects(part(peer, "namespaceSelector"), other.namespace_labels)
    else:
        placed = other.namespace == own_namespace
    return placed and selects(part(peer, "podSelector"), other.labels)


def _is_in_block(block: Mapping[str, Any], address: IPv4Network) -> bool:
    lets = ip_network(str(block["cidr"]))
    excepted = [ip_network(str(one)) for one in block.get("except") or ()]
    return (
        isinstance(lets, IPv4Network)
        and address.subnet_of(lets)
        and not any(address.overlaps(one) for one in excepted)
    )
