"""The traffic that security groups, network policies and a mesh allow."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.serve.reachability import meshes, network_policies, security_groups
from sandbox.serve.reachability.network_policies import Peer, outside, selects
from sandbox.serve.reachability.security_groups import End
from sandbox.tests.clusters import put
from sandbox.tests.serve.deployed import group, opened

HERE, THERE = IPv4Network("10.0.0.0/20"), IPv4Network("10.0.32.0/20")
AGENT = End(name="agent", groups=("sg-agent",), subnets=(HERE,))
SERVER = End(name="server", groups=("sg-server",), subnets=(HERE, THERE))


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path / "cloud.sqlite")


def _refused(cloud: Cloud, port: int, source: End = AGENT, destination: End = SERVER) -> str | None:
    return security_groups.refusal(security_groups.read(cloud), source, destination, port)


def test_without_rules_nothing_leaves_and_the_reason_names_groups_and_port(cloud: Cloud) -> None:
    group(cloud, "sg-agent")
    assert _refused(cloud, 8080) == (
        "the security groups of agent (the-sg-agent sg-agent) have no egress rule for TCP port "
        "8080 to server (sg-server)"
    )


def test_a_rule_is_wanted_at_either_end(cloud: Cloud) -> None:
    opened(cloud, "sg-agent", "sg-server", 8080)
    assert _refused(cloud, 8080) is None
    cloud.delete(
        "aws",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "sgr-Ingress-sg-agent-sg-server-8080",
    )
    assert _refused(cloud, 8080) == (
        "the security groups of server (sg-server) have no ingress rule for TCP port 8080 from "
        "agent (sg-agent)"
    )


def test_nobody_is_let_in_who_does_not_carry_the_group_of_the_rule(cloud: Cloud) -> None:
    opened(cloud, "sg-agent", "sg-server", 8080)
    other = End(name="other", groups=("sg-other",), subnets=(HERE,))
    assert "egress rule for TCP port 8080" in str(_refused(cloud, 8080, other))
    assert "ingress rule" in str(_refused(cloud, 8080, End(name="x", groups=(), subnets=(HERE,))))
    # One of several groups with the rule is sufficient.
    both = End(name="both", groups=("sg-other", "sg-agent"), subnets=(HERE,))
    assert _refused(cloud, 8080, both) is None


def _ingress(cloud: Cloud, **rule: Any) -> None:
    kind = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    put(cloud, kind, "sgr-1", securityGroupId="sg-server", **rule)


ANYBODY = End(name="anybody", groups=(), subnets=(HERE, THERE))


@pytest.mark.parametrize(
    ("ports", "passing", "refused"),
    [
        ((8080, 8080), [8080], [8079, 8081]),
        ((8000, 8002), [8000, 8002], [7999, 8003]),
    ],
)
def test_a_rule_is_for_its_ports_alone(
    cloud: Cloud, ports: tuple[int, int], passing: list[int], refused: list[int]
) -> None:
    _ingress(cloud, ipProtocol="tcp", fromPort=ports[0], toPort=ports[1], cidrIpv4="10.0.0.0/16")
    assert [_refused(cloud, port, ANYBODY) for port in passing] == [None] * len(passing)
    assert None not in [_refused(cloud, port, ANYBODY) for port in refused]


@pytest.mark.parametrize(
    ("protocol", "ports", "lets"),
    [
        ("tcp", {"fromPort": 8080, "toPort": 8080}, True),
        ("6", {"fromPort": 8080, "toPort": 8080}, True),
        ("-1", {}, True),
        ("-1", {"fromPort": 1, "toPort": 1}, True),
        ("udp", {"fromPort": 8080, "toPort": 8080}, False),
    ],
)
def test_a_rule_is_for_its_protocol_alone(
    cloud: Cloud, protocol: str, ports: Mapping[str, int], lets: bool
) -> None:
    _ingress(cloud, ipProtocol=protocol, cidrIpv4="0.0.0.0/0", **ports)
    assert (_refused(cloud, 8080, ANYBODY) is None) is lets


@pytest.mark.parametrize(
    ("block", "lets"),
    [
        ("0.0.0.0/0", True),
        ("10.0.0.0/16", True),
        # One of two subnets is not sufficient: some replicas would be denied.
        ("10.0.0.0/20", False),
        ("192.168.0.0/16", False),
        ("10.0.0.0/21", False),
    ],
)
def test_a_block_lets_through_what_has_all_of_its_addresses_in_it(
    cloud: Cloud, block: str, lets: bool
) -> None:
    _ingress(cloud, ipProtocol="-1", cidrIpv4=block)
    assert (_refused(cloud, 8080, ANYBODY) is None) is lets


def test_a_block_lets_nobody_through_whose_address_is_not_known(cloud: Cloud) -> None:
    _ingress(cloud, ipProtocol="-1", cidrIpv4="0.0.0.0/0")
    nowhere = End(name="nowhere", groups=(), subnets=())
    assert "ingress rule for TCP port 8080" in str(_refused(cloud, 8080, nowhere))


def test_a_prefix_list_of_the_account_is_looked_into_and_one_of_aws_has_no_workload(
    cloud: Cloud,
) -> None:
    _ingress(cloud, ipProtocol="tcp", fromPort=8080, toPort=8080, prefixListId="pl-1")
    assert _refused(cloud, 8080, ANYBODY) is not None
    kind = "ec2/managedPrefixList:ManagedPrefixList"
    put(cloud, kind, "pl-1", entries=[{"cidr": "10.0.0.0/20"}, {"cidr": "10.0.32.0/20"}])
    assert _refused(cloud, 8080, ANYBODY) is None


@pytest.mark.parametrize(
    ("rule", "lets"),
    [
        ({"cidrBlocks": ["10.0.0.0/8"]}, True),
        ({"ipv6CidrBlocks": ["::/0"]}, False),
        ({"securityGroups": ["sg-agent"]}, True),
        ({"securityGroups": ["sg-other"]}, False),
        ({"self": True}, False),
    ],
)
def test_rules_in_the_group_itself_count(cloud: Cloud, rule: Mapping[str, Any], lets: bool) -> None:
    everything = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
    group(cloud, "sg-agent", egress=[everything])
    group(cloud, "sg-server", ingress=[{"protocol": "tcp", "fromPort": 1, "toPort": 9000, **rule}])
    assert (_refused(cloud, 8080) is None) is lets
    assert _refused(cloud, 9001) is not None


def test_a_group_that_lets_itself_in_does(cloud: Cloud) -> None:
    itself = {"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}
    group(cloud, "sg-agent", ingress=[itself], egress=[itself])
    assert _refused(cloud, 8080, AGENT, AGENT) is None


def test_rules_of_the_older_kind_count(cloud: Cloud) -> None:
    kind, ports = "ec2/securityGroupRule:SecurityGroupRule", {"fromPort": 8080, "toPort": 8080}
    put(
        cloud,
        kind,
        "out",
        type="egress",
        securityGroupId="sg-agent",
        protocol="tcp",
        cidrBlocks=["0.0.0.0/0"],
        **ports,
    )
    assert "ingress rule" in str(_refused(cloud, 8080))
    put(
        cloud,
        kind,
        "in",
        type="ingress",
        securityGroupId="sg-server",
        protocol="tcp",
        sourceSecurityGroupId="sg-agent",
        **ports,
    )
    assert _refused(cloud, 8080) is None
    assert _refused(cloud, 8081) is not None


def test_the_group_that_eks_makes_lets_itself_in_and_everything_out(cloud: Cloud) -> None:
    put(cloud, "eks/cluster:Cluster", "c", vpcConfig={"clusterSecurityGroupId": "sg-agent"})
    assert _refused(cloud, 1, AGENT, AGENT) is None
    assert "the security groups of server (sg-server) have no ingress" in str(_refused(cloud, 1))
    # Its only allowed source is itself.
    _ingress(cloud, ipProtocol="-1", referencedSecurityGroupId="sg-agent")
    assert _refused(cloud, 1) is None
    assert "of agent (sg-agent) have no ingress" in str(_refused(cloud, 1, ANYBODY, AGENT))


def _pod(name: str, namespace: str = "mcp", **labels: str) -> Peer:
    return Peer(
        name=name,
        subnets=(HERE,),
        namespace=namespace,
        labels={"app": name, **labels},
        namespace_labels={network_policies.NAMESPACE_LABEL: namespace},
        ports={"http": 8080},
    )


def _policy(spec: Mapping[str, Any], name: str = "p", namespace: str = "mcp") -> Mapping[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _peers(*peers: Mapping[str, Any], ports: Sequence[Mapping[str, Any]] = ()) -> Mapping[str, Any]:
    """A policy that allows ingress from these peers to all pods of its namespace."""
    return _policy({"podSelector": {}, "ingress": [{"from": list(peers), "ports": list(ports)}]})


A, B = _pod("a"), _pod("b")
DENY_IN: Mapping[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_without_a_policy_everything_is_let_through() -> None:
    assert network_policies.refusal([], A, B, 8080) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (DENY_IN, "of b in the namespace mcp (p) have no ingress rule for TCP port 8080 from a"),
        # Without policy types, the policy applies to ingress.
        ({"podSelector": {}}, "no ingress rule"),
        (
            {"podSelector": {}, "policyTypes": ["Egress"]},
            "of a in the namespace mcp (p) have no egr",
        ),
        ({"podSelector": {}, "egress": [{"to": [], "ports": [{"port": 1}]}]}, "no egress rule"),
        ({"podSelector": {"matchLabels": {"app": "b"}}}, "no ingress rule"),
    ],
)
def test_a_policy_that_selects_a_pod_refuses_what_no_rule_lets_through(
    spec: Mapping[str, Any], reason: str
) -> None:
    assert reason in str(network_policies.refusal([_policy(spec)], A, B, 8080))


def test_a_policy_of_other_pods_or_of_another_namespace_refuses_nothing() -> None:
    others = {"podSelector": {"matchLabels": {"app": "c"}}, "policyTypes": ["Ingress", "Egress"]}
    elsewhere = _policy(DENY_IN, namespace="records")
    assert network_policies.refusal([_policy(others), elsewhere], A, B, 8080) is None


def test_one_policy_of_several_that_lets_through_is_enough() -> None:
    letting = _peers({"podSelector": {"matchLabels": {"app": "a"}}})
    assert network_policies.refusal([_policy(DENY_IN), letting], A, B, 8080) is None


def test_both_ends_are_asked() -> None:
    into_b = _policy({"podSelector": {"matchLabels": {"app": "b"}}, "ingress": [{}]})
    out = {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Egress"]}
    assert "egress" in str(network_policies.refusal([into_b, _policy(out)], A, B, 8080))
    to_b = {"to": [{"podSelector": {"matchLabels": {"app": "b"}}}]}
    lets_out = _policy({**out, "egress": [to_b]})
    assert network_policies.refusal([into_b, lets_out], A, B, 8080) is None
    assert "egress" in str(network_policies.refusal([into_b, lets_out], A, _pod("c"), 8080))


@pytest.mark.parametrize(
    ("peer", "lets"),
    [
        ({"podSelector": {}}, True),
        ({"podSelector": {"matchLabels": {"app": "a"}}}, True),
        ({"podSelector": {"matchLabels": {"app": "b"}}}, False),
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {"matchLabels": {network_policies.NAMESPACE_LABEL: "mcp"}}}, True),
        ({"namespaceSelector": {"matchLabels": {network_policies.NAMESPACE_LABEL: "x"}}}, False),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "b"}}}, False),
        ({"ipBlock": {"cidr": "10.0.0.0/16"}}, True),
        ({"ipBlock": {"cidr": "10.0.32.0/20"}}, False),
        ({"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.32.0/20"]}}, True),
        ({"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.0.0/24"]}}, False),
        ({"ipBlock": {"cidr": "::/0"}}, False),
    ],
)
def test_a_peer_is_a_pod_by_its_labels_or_an_address(peer: Mapping[str, Any], lets: bool) -> None:
    assert (network_policies.refusal([_peers(peer)], A, B, 8080) is None) is lets


def test_a_pod_selector_alone_means_pods_of_the_policys_own_namespace() -> None:
    elsewhere = _pod("a", "records")
    own = _peers({"podSelector": {"matchLabels": {"app": "a"}}})
    assert "ingress" in str(network_policies.refusal([own], elsewhere, B, 8080))
    both = _peers(
        {
            "namespaceSelector": {"matchLabels": {network_policies.NAMESPACE_LABEL: "records"}},
            "podSelector": {"matchLabels": {"app": "a"}},
        }
    )
    assert network_policies.refusal([both], elsewhere, B, 8080) is None
    assert "ingress" in str(network_policies.refusal([both], A, B, 8080))


def test_what_is_no_pod_is_let_in_by_all_of_its_addresses_alone() -> None:
    gateway = outside("the gateway", [HERE, THERE])
    blocks = [{"ipBlock": {"cidr": "10.0.0.0/20"}}, {"ipBlock": {"cidr": "10.0.32.0/20"}}]
    assert network_policies.refusal([_peers(*blocks)], gateway, B, 8080) is None
    assert network_policies.refusal([_peers({"podSelector": {}})], gateway, B, 8080) is not None
    assert network_policies.refusal([_peers({"namespaceSelector": {}})], gateway, B, 1) is not None
    assert network_policies.refusal([_peers(blocks[0])], gateway, B, 8080) == (
        "the network policies of b in the namespace mcp (p) have no ingress rule for TCP port 8080 "
        "from the gateway"
    )
    assert network_policies.refusal([_peers(*blocks)], outside("x", []), B, 8080) is not None


@pytest.mark.parametrize(
    ("ports", "lets"),
    [
        ([], True),
        ([{"port": 8080}], True),
        ([{"port": 8080, "protocol": "TCP"}], True),
        ([{"port": 8080, "protocol": "UDP"}], False),
        ([{"protocol": "TCP"}], True),
        ([{"port": "http"}], True),
        ([{"port": "metrics"}], False),
        ([{"port": 8081}], False),
        ([{"port": 8000, "endPort": 8080}], True),
        ([{"port": 8080, "endPort": 8090}], True),
        ([{"port": 8000, "endPort": 8079}], False),
        ([{"port": 8081, "endPort": 8090}], False),
        ([{"port": 8081}, {"port": 8080}], True),
    ],
)
def test_a_rule_of_a_policy_is_for_its_ports_alone(
    ports: list[Mapping[str, Any]], lets: bool
) -> None:
    assert (network_policies.refusal([_peers(ports=ports)], A, B, 8080) is None) is lets


@pytest.mark.parametrize(
    ("operator", "values", "labels", "selected"),
    [
        ("In", ["a", "b"], {"app": "a"}, True),
        ("In", ["a", "b"], {"app": "c"}, False),
        ("In", ["a"], {}, False),
        ("NotIn", ["a"], {"app": "a"}, False),
        ("NotIn", ["a"], {"app": "b"}, True),
        ("NotIn", ["a"], {}, True),
        ("Exists", None, {"app": "a"}, True),
        ("Exists", None, {}, False),
        ("DoesNotExist", None, {"app": "a"}, False),
        ("DoesNotExist", None, {}, True),
    ],
)
def test_a_label_selector_means_what_its_expressions_mean(
    operator: str, values: list[str] | None, labels: Mapping[str, str], selected: bool
) -> None:
    expression = {"key": "app", "operator": operator, "values": values}
    assert selects({"matchExpressions": [expression]}, labels) is selected
    assert not selects({"matchExpressions": [expression], "matchLabels": {"x": "y"}}, labels)


AMBIENT = {"istio.io/dataplane-mode": "ambient"}
CALLER, CLERK = "cluster.local/ns/mcp/sa/a", "cluster.local/ns/mcp/sa/clerk"
STRICT = _policy({"mtls": {"mode": "STRICT"}}, "strict")


def _authorization(*rules: Mapping[str, Any], action: str = "ALLOW") -> Mapping[str, Any]:
    return _policy(
        {"selector": {"matchLabels": {"app": "b"}}, "action": action, "rules": list(rules)}, "b"
    )


def _from(**source: Any) -> Mapping[str, Any]:
    return {"from": [{"source": source}]}


def _meshed(
    authorizations: Sequence[Mapping[str, Any]],
    principal: str = CALLER,
    source: Peer = A,
    authentications: Sequence[Mapping[str, Any]] = (STRICT,),
    port: int = 8080,
) -> str | None:
    return meshes.refusal(authentications, authorizations, source, principal, B, port)


def test_a_pod_is_in_the_mesh_by_its_namespace_or_by_its_own_label() -> None:
    def is_in_mesh(labels: Mapping[str, str], of_namespace: Mapping[str, str]) -> bool:
        pod = Peer(name="a", subnets=(), labels=labels, namespace_labels=of_namespace, ports={})
        return meshes.is_in_mesh(pod)

    assert is_in_mesh({}, AMBIENT)
    assert is_in_mesh(AMBIENT, {})
    assert not is_in_mesh({"istio.io/dataplane-mode": "none"}, AMBIENT)
    assert not is_in_mesh({}, {})


def test_who_has_no_certificate_is_refused_where_it_is_demanded() -> None:
    assert _meshed([], principal="") == (
        "the mesh requires mutual TLS on TCP port 8080 of b, and a has no certificate"
    )
    assert _meshed([]) is None
    assert _meshed([], principal="", authentications=()) is None


def test_a_port_of_a_pod_may_be_open_to_who_has_no_certificate() -> None:
    selector = {"matchLabels": {"app": "b"}}
    spec = {
        "selector": selector,
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {"8080": {"mode": "PERMISSIVE"}},
    }
    opened_port = [_policy(spec, "gateway.b"), STRICT]
    assert _meshed([], principal="", authentications=opened_port) is None
    assert _meshed([], principal="", authentications=opened_port, port=8081) is not None


_Rule = Mapping[str, Any]
ANYTHING: _Rule = {}


def _to(**operation: Any) -> _Rule:
    return {"to": [{"operation": operation}]}


@pytest.mark.parametrize(
    ("rules", "lets"),
    [
        (list[_Rule](), False),
        ([ANYTHING], True),
        ([_from(principals=[CALLER])], True),
        ([_from(principals=[CLERK])], False),
        ([_from(principals=[CLERK]), _from(principals=[CALLER])], True),
        ([_from(principals=["cluster.local/ns/mcp/*"])], True),
        ([_from(principals=["*/sa/a"])], True),
        ([_from(principals=["*"])], True),
        ([_from(notPrincipals=["*"])], False),
        ([_from(notPrincipals=[CLERK])], True),
        ([_from(namespaces=["mcp"])], True),
        ([_from(namespaces=["records"])], False),
        ([_from(notNamespaces=["mcp"])], False),
        ([_from(ipBlocks=["10.0.0.0/20"])], True),
        ([_from(ipBlocks=["10.0.32.0/20"])], False),
        ([_from(notIpBlocks=["10.0.0.0/8"])], False),
        ([_to(ports=["8080"])], True),
        ([_to(ports=["8081"])], False),
        ([_to(notPorts=["8080"])], False),
        # These are conditions on requests, and the mesh has no proxy for requests.
        ([_to(methods=["POST"])], False),
        ([_from(requestPrincipals=["*"])], False),
        ([{"when": [{"key": "request.headers[x]", "values": ["1"]}]}], False),
    ],
)
def test_an_authorization_policy_lets_in_whom_a_rule_is_for(
    rules: list[Mapping[str, Any]], lets: bool
) -> None:
    reason = _meshed([_authorization(*rules)])
    assert (reason is None) is lets
    if reason:
        assert reason == (
            f"the authorization policies of b (b) do not let a ({CALLER}) reach TCP port 8080"
        )


def test_a_denial_of_the_mesh_wins() -> None:
    letting = _authorization({})
    denying = _authorization(_from(principals=[CALLER]), action="DENY")
    assert _meshed([letting, denying]) == (
        "the authorization policy b of b denies a on TCP port 8080"
    )
    assert _meshed([letting, denying], principal=CLERK) is None


def test_a_policy_of_another_pod_says_nothing_of_this_one() -> None:
    other: dict[str, Any] = {
        "selector": {"matchLabels": {"app": "c"}},
        "action": "ALLOW",
        "rules": [],
    }
    assert _meshed([_policy(other)]) is None


def test_the_gateway_is_let_in_without_a_certificate_by_its_addresses() -> None:
    rule = {
        **_from(ipBlocks=["10.0.0.0/20", "10.0.32.0/20"], notPrincipals=["*"]),
        "to": [{"operation": {"ports": ["8080"]}}],
    }
    gateway = outside("the gateway", [HERE, THERE])
    policy = [_authorization(rule)]
    assert _meshed(policy, "", gateway, ()) is None
    assert _meshed(policy, "", outside("x", [IPv4Network("10.0.0.0/16")]), ()) is not None
    assert _meshed(policy, "", outside("x", []), ()) is not None
    assert _meshed(policy, CALLER, A, ()) is not None
