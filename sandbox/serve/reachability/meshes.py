"""Evaluates the policies of Istio's ambient mesh: mutual TLS and authorization.

Facts from the Istio documentation ("Authorization Policy", "PeerAuthentication", "Ambient and
Kubernetes NetworkPolicy", "Use Layer 4 security policy"): pods of the mesh connect through a
tunnel, and service accounts identify callers. Its node proxies do not evaluate layer 7 rules.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from sandbox.serve.reachability.network_policies import Peer, selects
from sandbox.values.tree import part, parts

TUNNEL_PORT = 15008
_MODE = "istio.io/dataplane-mode"
_LAYER_7 = frozenset({"hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"})
_OF_REQUESTS = frozenset({"requestPrincipals", "notRequestPrincipals"})


def is_in_mesh(pod: Peer) -> bool:
    """Whether an end is a pod of an ambient mesh; its label overrides that of its namespace."""
    return pod.labels.get(_MODE, pod.namespace_labels.get(_MODE)) == "ambient"


def refusal(
    authentications: Sequence[Mapping[str, Any]],
    authorizations: Sequence[Mapping[str, Any]],
    source: Peer,
    principal: str,
    destination: Peer,
    port: int,
) -> str | None:
    """The reason why a pod of the mesh refuses a connection.

    Args:
        authentications: The PeerAuthentications of the cluster.
        authorizations: The AuthorizationPolicies of the cluster.
        source: The source of the connection.
        principal: The identity of its certificate, or nothing outside of the mesh.
        destination: The pod.
        port: The pod's TCP port.

    Returns:
        The reason, or None if the pod accepts it.
    """
    if not principal and _mode(authentications, destination, port) == "STRICT":
        return (
            f"the mesh requires mutual TLS on TCP port {port} of {destination.name}, and "
            f"{source.name} has no certificate"
        )
    own = [one for one in authorizations if _is_of(one, destination)]
    for policy in own:
        spec = part(policy, "spec")
        if spec.get("action") == "DENY" and _matches(spec, source, principal, port, deny=True):
            return (
                f"the authorization policy {policy['metadata']['name']} of {destination.name} "
                f"denies {source.name} on TCP port {port}"
            )
    letting = [one for one in own if part(one, "spec").get("action", "ALLOW") == "ALLOW"]
    if not letting or any(
        _matches(part(one, "spec"), source, principal, port, deny=False) for one in letting
    ):
        return None
    names = ", ".join(sorted(str(one["metadata"]["name"]) for one in letting))
    return (
        f"the authorization policies of {destination.name} ({names}) do not let {source.name} "
        f"({principal or 'without a certificate'}) reach TCP port {port}"
    )


def _is_of(policy: Mapping[str, Any], pod: Peer) -> bool:
    selector = part(policy, "spec", "selector")
    return policy["metadata"].get("namespace") == pod.namespace and selects(selector, pod.labels)


def _mode(authentications: Sequence[Mapping[str, Any]], pod: Peer, port: int) -> str:
    """The mode of a pod's port; a policy for the pod overrides one for its namespace."""
    mode = "PERMISSIVE"
    of_pod = [one for one in authentications if _is_of(one, pod)]
    for one in sorted(of_pod, key=lambda each: bool(part(each, "spec", "selector"))):
        mode = str(part(one, "spec", "mtls").get("mode") or mode)
        of_port = part(one, "spec", "portLevelMtls", str(port)).get("mode")
        if of_port and part(one, "spec", "selector"):
            mode = str(of_port)
    return mode


def _matches(
    spec: Mapping[str, Any], source: Peer, principal: str, port: int, *, deny: bool
) -> bool:
    """Whether a rule of a policy matches a connection.

    Layer 7 attributes are ignored in a DENY rule, and an ALLOW rule with them never matches.
    """
    for rule in parts(spec, "rules"):
        if rule.get("when") and not deny:
            continue
        sources = [part(one, "source") for one in parts(rule, "from")]
        operations = [part(one, "operation") for one in parts(rule, "to")]
        if not deny and any(_LAYER_7 & one.keys() for one in operations):
            continue
        if not deny and any(_OF_REQUESTS & one.keys() for one in sources):
            continue
        if (not sources or any(_is_from(one, source, principal) for one in sources)) and (
            not operations or any(_is_to(one, port) for one in operations)
        ):
            return True
    return False


def _is_from(wanted: Mapping[str, Any], source: Peer, principal: str) -> bool:
    namespace = source.namespace if principal else ""

    def known(key: str, value: str) -> bool:
        has = any(_like(one, value) for one in wanted.get(key) or ())
        negative = f"not{key[0].upper()}{key[1:]}"
        barred = any(_like(one, value) for one in wanted.get(negative) or ())
        return (has or not wanted.get(key)) and not barred

    return (
        known("principals", principal)
        and known("namespaces", namespace)
        and (
            not wanted.get("ipBlocks")
            or all(_is_in(wanted["ipBlocks"], each) for each in source.subnets or (None,))
        )
        and not any(_is_in(wanted.get("notIpBlocks") or (), each) for each in source.subnets)
    )


def _is_to(wanted: Mapping[str, Any], port: int) -> bool:
    ports = wanted.get("ports")
    return (not ports or str(port) in ports) and str(port) not in (wanted.get("notPorts") or ())


def _is_in(blocks: Sequence[str], address: IPv4Network | None) -> bool:
    return address is not None and any(
        address.subnet_of(IPv4Network(one)) for one in blocks if ":" not in one
    )


def _like(pattern: str, value: str) -> bool:
    """Whether a value matches exactly, by prefix, by suffix, or by presence."""
    if pattern == "*":
        return bool(value)
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return value == pattern
