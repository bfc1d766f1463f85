"""Network access on EKS: network policies, security groups, the mesh, and the cluster's API."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.components.fleets import (
    EKS,
    EKS_EXISTING,
    EKS_FLEETS,
    EKS_FULL,
    EKS_MANAGED,
    EKS_NO_WAY_OUT,
    FULL,
    LAMBDA,
    MINIMAL,
    PUBLIC_IMAGE,
)
from tests.components.recording import (
    CLUSTER_GROUP,
    CLUSTER_NAME,
    EXISTING_CLUSTER,
    EXISTING_SUBNETS,
    Recording,
    run,
)

fleets = pytest.mark.parametrize("fleet", EKS_FLEETS.values(), ids=EKS_FLEETS)

# The pods of a policy, the direction, the allowed peer, and the ports.
Opened = tuple[str, str, str, tuple[tuple[str, int], ...]]

TCP_MESH, TCP_PORT = (("TCP", 15008),), (("TCP", 8080),)
EVERYWHERE = "0.0.0.0/0"
DNS = (("UDP", 53), ("TCP", 53))
PROBES = "169.254.7.127/32"
CREDENTIALS = "169.254.170.23/32"
# For CNIs that evaluate policies after service address translation, and for NodeLocal DNSCache.
DNS_SERVERS = ("169.254.20.10/32", "kube-system/kube-dns")


def _loads(fleet: dict[str, Any]) -> dict[str, Any]:
    return fleet.get("servers", {}) | fleet.get("agents", {})


def _namespace(fleet: dict[str, Any], workload: str) -> str:
    default = fleet.get("cluster", {}).get("namespace", "mcp")
    return _loads(fleet)[workload].get("team", default)


def _at(fleet: dict[str, Any], workload: str) -> str:
    return f"{_namespace(fleet, workload)}/{workload}"


def _pods(namespace: str, selector: dict[str, Any]) -> str:
    """The workload that a selector matches, or all pods of the namespace."""
    labels = dict(selector.get("matchLabels", {}))
    assert selector in ({}, {"matchLabels": labels})
    if not labels:
        return f"{namespace}/*"
    if labels == {"k8s-app": "kube-dns"}:
        return f"{namespace}/kube-dns"
    assert labels.pop("app.kubernetes.io/instance") == "mcp-platform-dev"
    workload = labels.pop("app.kubernetes.io/name")
    assert labels == {}
    return f"{namespace}/{workload}"


def _peer(peer: dict[str, Any]) -> str:
    if "ipBlock" in peer:
        assert peer == {"ipBlock": {"cidr": peer["ipBlock"]["cidr"]}}
        return peer["ipBlock"]["cidr"]
    # One peer with both selectors matches pods in that namespace; two peers would match either.
    assert peer.keys() == {"namespaceSelector", "podSelector"}
    (namespace,) = peer["namespaceSelector"]["matchLabels"].items()
    assert namespace[0] == "kubernetes.io/metadata.name"
    return _pods(namespace[1], peer["podSelector"])


def _opened(recording: Recording) -> Iterator[Opened]:
    """The traffic that the network policies allow."""
    for made in recording.of("kubernetes.NetworkPolicy"):
        spec = made.inputs["spec"]
        about = _pods(made.inputs["metadata"]["namespace"], spec["podSelector"])
        for direction, key in (("Ingress", "from"), ("Egress", "to")):
            rules: list[dict[str, Any]] = spec.get(direction.lower(), [])
            # A policy without the type of a direction denies nothing in that direction.
            assert direction in spec["policyTypes"] or rules == []
            for rule in rules:
                assert rule.keys() == {key, "ports"}
                assert rule[key] != []
                ports = tuple((port["protocol"], port["port"]) for port in rule["ports"])
                for peer in rule[key]:
                    yield about, key, _peer(peer), ports


def _edges(fleet: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (_at(fleet, agent), _at(fleet, server))
        for agent, load in fleet.get("agents", {}).items()
        for server in load.get("uses", [])
    ]


def _expected(
    fleet: dict[str, Any],
    *,
    gateway: list[str],
    services: str = "172.20.0.0/16",
    https: tuple[str, ...] = (EVERYWHERE,),
) -> list[Opened]:
    """The allowed traffic, derived from the configuration."""
    meshed = fleet.get("mesh") == "istio"
    port = TCP_MESH if meshed else TCP_PORT
    opened: list[Opened] = []
    for agent, server in _edges(fleet):
        opened += [(agent, "to", server, port), (server, "from", agent, port)]
    for name, load in _loads(fleet).items():
        if load.get("expose", True):
            opened += [(_at(fleet, name), "from", block, TCP_PORT) for block in gateway]
    for namespace in {_namespace(fleet, name) for name in _loads(fleet)}:
        everybody = f"{namespace}/*"
        opened += [(everybody, "to", server, DNS) for server in (services, *DNS_SERVERS)]
        opened += [(everybody, "to", block, (("TCP", 443),)) for block in https]
        opened.append((everybody, "to", CREDENTIALS, (("TCP", 80),)))
        if meshed:
            opened.append((everybody, "from", PROBES, TCP_PORT))
    return sorted(opened)


def _planned(fleet: Any, type_: str) -> list[str]:
    """The CIDR blocks of the VPC's subnets of one type."""
    specs = run(fleet).one("awsx.Vpc").inputs["subnetSpecs"]
    (blocks,) = (spec["cidrBlocks"] for spec in specs if spec["type"] == type_)
    assert len(set(blocks)) == len(blocks) > 1
    return blocks


def test_a_public_gateway_reaches_the_exposed_from_the_public_subnets():
    blocks = _planned(EKS_FULL, "Public")
    assert sorted(_opened(run(EKS_FULL))) == _expected(EKS_FULL, gateway=blocks)


def test_a_private_gateway_reaches_the_exposed_from_the_private_subnets():
    blocks = _planned(EKS, "Private")
    assert sorted(_opened(run(EKS))) == _expected(EKS, gateway=blocks)
    assert set(blocks).isdisjoint(_planned(EKS, "Public"))


def test_without_a_mesh_the_edges_are_opened_on_the_port_of_the_servers():
    fleet = {**EKS_FULL, "mesh": "none"}
    blocks = _planned(EKS_FULL, "Public")
    assert sorted(_opened(run(fleet))) == _expected(fleet, gateway=blocks)


def test_without_nat_pods_reach_the_network_and_the_api_of_the_cluster_over_https():
    blocks = _planned(EKS_NO_WAY_OUT, "Public")
    assert sorted(_opened(run(EKS_NO_WAY_OUT))) == _expected(
        EKS_NO_WAY_OUT, gateway=blocks, https=("10.0.0.0/16", "172.20.0.0/16")
    )


def test_in_a_cluster_that_exists_its_own_services_and_the_owners_subnets_are_meant():
    vpc = EKS_EXISTING["network"]["vpc"]
    (network,) = EXISTING_CLUSTER["kubernetesNetworkConfigs"]
    blocks = [EXISTING_SUBNETS[subnet] for subnet in vpc["public_subnets"]]
    assert sorted(_opened(run(EKS_EXISTING))) == _expected(
        EKS_EXISTING, gateway=blocks, services=network["serviceIpv4Cidr"]
    )


@fleets
def test_every_namespace_denies_everything_both_ways_first(fleet: Any):
    recording = run(fleet)
    denying = [
        made.inputs["metadata"]["namespace"]
        for made in recording.of("kubernetes.NetworkPolicy")
        if made.inputs["metadata"]["name"] == "default-deny"
        and made.inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ]
    used = {_namespace(fleet, name) for name in _loads(fleet)}
    assert sorted(denying) == sorted(used)
    named = [
        made.inputs["metadata"]["name"]
        for made in recording.of("kubernetes.Namespace")
        if made.name.startswith("eks-namespaces-")
    ]
    assert sorted(named) == sorted(used)


def test_every_edge_has_exactly_two_policies_each_where_the_pods_are_that_it_is_about():
    recording = run(EKS_FULL)
    found = sorted(
        (made.inputs["metadata"]["namespace"], made.inputs["metadata"]["name"])
        for made in recording.of("kubernetes.NetworkPolicy")
        if made.name.startswith("eks-namespaces-use-")
    )
    assert found == [
        ("mcp", "used-by.clock.assistant.payments"),
        ("mcp", "uses.auditor.quiet.records"),
        ("payments", "uses.assistant.clock.mcp"),
        ("payments", "uses.assistant.notes.records"),
        ("records", "used-by.notes.assistant.payments"),
        ("records", "used-by.quiet.auditor.mcp"),
    ]


def test_only_exposed_workloads_allow_ingress_from_the_gateway():
    recording = run(EKS_FULL)
    let_in = {
        made.inputs["metadata"]["name"]
        for made in recording.of("kubernetes.NetworkPolicy")
        if made.name.endswith("-gateway")
    }
    assert let_in == {"gateway.clock", "gateway.notes", "gateway.old", "gateway.assistant"}


def test_an_unused_workload_without_a_route_has_no_ingress():
    ingress = [
        (peer, ports)
        for about, key, peer, ports in _opened(run({**EKS_FULL, "mesh": "none"}))
        if key == "from" and about in ("mcp/idle", "mcp/*")
    ]
    assert ingress == []


_NAMES = st.sampled_from(["a", "b", "a-b", "a-to-b", "b-to-a", "files", "gateway", "base"])
_TEAMS = st.sampled_from(["a", "b", "a-deny", "probes-a", "a-b"])
_LOADS = st.fixed_dictionaries({"expose": st.booleans()}, optional={"team": _TEAMS})


@st.composite
def _fleets(draw: st.DrawFn) -> dict[str, Any]:
    """Small fleets with random graphs, random namespaces and similar names."""
    image = {"image": {"uri": PUBLIC_IMAGE}}
    names = draw(st.lists(_NAMES, unique=True, min_size=2, max_size=5))
    cut = draw(st.integers(1, len(names) - 1))
    servers, agents = names[:cut], names[cut:]
    uses = st.lists(st.sampled_from(servers), unique=True)
    return {
        "target": "eks",
        "mesh": draw(st.sampled_from(["none", "istio"])),
        "servers": {name: image | draw(_LOADS) for name in servers},
        "agents": {name: image | draw(_LOADS) | {"uses": draw(uses)} for name in agents},
    }


@settings(max_examples=8, deadline=None)
@given(fleet=_fleets())
def test_exactly_the_edges_of_any_graph_are_allowed(fleet: dict[str, Any]):
    recording, blocks = run(fleet), _planned(EKS, "Private")
    assert sorted(_opened(recording)) == _expected(fleet, gateway=blocks)
    if fleet["mesh"] == "istio":
        assert _let_in_by_mesh(recording) == _expected_of_mesh(fleet, blocks)


def test_what_a_move_to_another_namespace_takes_away_is_made_a_second_time_first():
    # With one name, a binding would be deleted first, and a policy would be updated.
    before: dict[str, Any] = {**EKS_FULL, "mesh": "none"}
    servers = {**before["servers"], "notes": {**before["servers"]["notes"], "team": "payments"}}
    teams = {name: team for name, team in before.get("teams", {}).items() if name != "records"}
    after = {**before, "servers": servers, "teams": teams}

    def named(fleet: Any) -> set[str]:
        recording = run(fleet)
        policies = recording.of("kubernetes.NetworkPolicy")
        return {made.name for made in recording.of("kubernetes.TargetGroupBinding")} | {
            made.inputs["metadata"]["name"]
            for made in policies
            if made.name.startswith("eks-namespaces-use-")
        }

    moved = {name for name in named(before) - named(after) if "notes" in name}
    assert moved == {
        "eks-notes-binding_records",
        "uses.assistant.notes.records",
    }


# Security groups

Rule = tuple[str, str, str, int]


def _rules(recording: Recording) -> list[Rule]:
    """The rules of EKS, with the logical names of security groups instead of ids."""
    groups = {made.id: made.name for made in recording.of("ec2.SecurityGroup")}
    groups |= {CLUSTER_GROUP: "cluster"}
    groups |= {EXISTING_CLUSTER["vpcConfig"]["clusterSecurityGroupId"]: "cluster"}
    found: list[Rule] = []
    for direction, side in (("Ingress", "from"), ("Egress", "to")):
        for made in recording.of(f"vpc.SecurityGroup{direction}Rule"):
            rule = made.inputs
            assert (rule["ipProtocol"], rule["fromPort"]) == ("tcp", rule["toPort"])
            (other,) = (
                rule[key]
                for key in ("referencedSecurityGroupId", "cidrIpv4", "prefixListId")
                if key in rule
            )
            one, peer = groups[rule["securityGroupId"]], str(groups.get(other, other))
            if "cluster" in (one, peer):
                found.append((one, side, peer, rule["toPort"]))
    return sorted(found)


ROUTED: list[Rule] = [
    ("gateway-group", "to", "cluster", 8080),
    ("cluster", "from", "gateway-group", 8080),
]
FILES: list[Rule] = [
    ("cluster", "to", "fleet-storage-group", 2049),
    ("fleet-storage-group", "from", "cluster", 2049),
]
API: Rule = ("cluster", "from", "10.0.0.0/16", 443)
HIDDEN = {**EKS, "servers": {"clock": {**MINIMAL["servers"]["clock"], "expose": False}}}


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        (EKS, [API, *ROUTED]),
        (EKS_FULL, [API, *ROUTED, *FILES]),
        (EKS_MANAGED, [API, *ROUTED, *FILES]),
        (EKS_EXISTING, [*ROUTED, *FILES]),
        (HIDDEN, [API]),
    ],
    ids=["least", "full", "managed", "existing", "hidden"],
)
def test_the_gateway_reaches_the_nodes_they_the_files_and_the_network_the_clusters_own_api(
    fleet: Any, expected: list[Rule]
):
    assert _rules(run(fleet)) == sorted(expected)


def test_no_security_group_is_made_for_eks_alone():
    recording = run(EKS_FULL)
    assert recording.names("ec2.SecurityGroup") == ["fleet-storage-group", "gateway-group"]


# Ingress


@pytest.mark.parametrize(
    ("fleet", "version"),
    [(EKS_FULL, "eks.amazonaws.com/v1"), (EKS_MANAGED, "elbv2.k8s.aws/v1beta1")],
    ids=["auto", "managed"],
)
def test_pods_are_bound_to_the_target_groups_of_the_gateway(fleet: Any, version: str):
    recording = run(fleet)
    routed = ["assistant", "clock", "notes", "old"]
    bindings = recording.of("kubernetes.TargetGroupBinding")
    assert [made.name for made in bindings] == [
        f"eks-{name}-binding_{_namespace(fleet, name)}" for name in routed
    ]
    for name, made in zip(routed, bindings, strict=True):
        group = recording.one("lb.TargetGroup", f"gateway-{name}")
        metadata = made.inputs["metadata"]
        assert made.inputs["apiVersion"] == version
        assert (metadata["name"], metadata["namespace"]) == (name, _namespace(fleet, name))
        assert made.inputs["spec"] == {
            "targetGroupARN": group.state["arn"],
            "targetType": "ip",
            "serviceRef": {"name": name, "port": 8080},
            # During a move, ECS tasks are also targets of the target group.
            "multiClusterTargetGroup": True,
        }
        assert made.aliases == [f"eks-{name}-binding"]
        # The target group of a binding is immutable.
        assert made.replace_on_changes == ["spec.targetGroupARN"]
        assert made.delete_before_replace
        rule = recording.one("lb.ListenerRule", f"gateway-{name}-rule")
        service = recording.one("kubernetes.Service", f"eks-{name}-service")
        assert {rule.urn, service.urn} <= set(made.dependencies)


@pytest.mark.parametrize(
    ("fleet", "cluster"),
    [
        (EKS_FULL, CLUSTER_NAME),
        (EKS_EXISTING, "shared"),
        (EKS_MANAGED, None),
        (FULL, None),
    ],
    ids=["auto", "existing", "managed", "ecs"],
)
def test_target_groups_name_the_cluster_that_may_use_them_if_auto_mode_requires_it(
    fleet: Any, cluster: str | None
):
    groups = run(fleet).of("lb.TargetGroup")
    assert groups != []
    for made in groups:
        workload = made.name.removeprefix("gateway-")
        expected = {"Name": f"mcp-platform-dev-{workload}"}
        if cluster:
            expected["eks:eks-cluster-name"] = cluster
        assert made.inputs["tags"] == expected


def test_the_gateway_of_eks_is_that_of_ecs():
    fleet = {**FULL, "agents": {"auditor": FULL["agents"]["auditor"]}}
    ecs, eks = (run({**fleet, "target": target}) for target in ("ecs", "eks"))
    compared = 0
    for made in ecs.resources.values():
        if not made.name.startswith(("gateway", "certificate")):
            continue
        other = eks.resources[made.urn]
        compared += 1
        here, there = dict(other.inputs), dict(made.inputs)
        if made.kind == "lb.TargetGroup":
            assert here.pop("tags").items() >= there.pop("tags").items()
        assert here == there
    assert compared == 19
    assert run(LAMBDA).of("lb.TargetGroup") == []


# The mesh


def test_all_pods_of_the_fleet_demand_mutual_tls_but_of_the_gateway_on_the_port_of_the_exposed():
    recording = run(EKS_FULL)
    strict: set[str] = set()
    permissive: set[str] = set()
    for made in recording.of("kubernetes.PeerAuthentication"):
        metadata, spec = made.inputs["metadata"], dict(made.inputs["spec"])
        assert made.inputs["apiVersion"] == "security.istio.io/v1"
        assert spec.pop("mtls") == {"mode": "STRICT"}
        if "selector" in spec:
            permissive.add(_pods(metadata["namespace"], spec.pop("selector")))
            assert spec == {"portLevelMtls": {"8080": {"mode": "PERMISSIVE"}}}
        else:
            strict.add(metadata["namespace"])
            assert spec == {}
    assert strict == {"mcp", "records", "payments"}
    assert permissive == {"mcp/clock", "mcp/old", "records/notes", "payments/assistant"}


# The callers by workload: principals, or CIDR blocks with a port.
Callers = dict[str, list[tuple[str, ...]]]


def _let_in_by_mesh(recording: Recording) -> Callers:
    found: Callers = {}
    for made in recording.of("kubernetes.AuthorizationPolicy"):
        metadata, spec = made.inputs["metadata"], made.inputs["spec"]
        about = _pods(metadata["namespace"], spec["selector"])
        assert made.inputs["apiVersion"] == "security.istio.io/v1"
        assert spec["action"] == "ALLOW"
        assert about not in found
        found[about] = []
        for rule in spec.get("rules", []):
            (sender,) = rule["from"]
            source = sender["source"]
            if "principals" in source:
                assert rule.keys() == {"from"}
                assert source.keys() == {"principals"}
                found[about].append(tuple(source["principals"]))
            else:
                # Only callers without a certificate; with one, the principal decides.
                assert source.keys() == {"ipBlocks", "notPrincipals"}
                assert source["notPrincipals"] == ["*"]
                assert rule["to"] == [{"operation": {"ports": ["8080"]}}]
                found[about].append(("gateway", *source["ipBlocks"]))
    return found


def _expected_of_mesh(fleet: dict[str, Any], blocks: list[str]) -> Callers:
    expected: Callers = {}
    for name, load in _loads(fleet).items():
        about = _at(fleet, name)
        callers = [
            f"cluster.local/ns/{agent.replace('/', '/sa/')}"
            for agent, server in _edges(fleet)
            if server == about
        ]
        expected[about] = [tuple(callers)] if callers else []
        if load.get("expose", True):
            expected[about].append(("gateway", *blocks))
    return expected


def test_each_workload_is_called_by_its_agents_certificates_and_by_the_gateway():
    blocks = _planned(EKS_FULL, "Public")
    found = _let_in_by_mesh(run(EKS_FULL))
    assert found == _expected_of_mesh(EKS_FULL, blocks)
    assert found == {
        "mcp/clock": [("cluster.local/ns/payments/sa/assistant",), ("gateway", *blocks)],
        "records/notes": [("cluster.local/ns/payments/sa/assistant",), ("gateway", *blocks)],
        "records/quiet": [("cluster.local/ns/mcp/sa/auditor",)],
        "mcp/old": [("gateway", *blocks)],
        "mcp/idle": [],
        "payments/assistant": [("gateway", *blocks)],
        "mcp/auditor": [],
    }


def test_without_a_mesh_nothing_is_asked_of_one():
    recording = run(EKS_MANAGED)
    for kind in ("PeerAuthentication", "AuthorizationPolicy"):
        assert recording.of(f"kubernetes.{kind}") == []


# The API of the cluster


def _may_read(recording: Recording, agent: str) -> dict[str, list[dict[str, Any]]]:
    """The rules of the roles that an agent's service account is bound to, by namespace."""
    found: dict[str, list[dict[str, Any]]] = {}
    roles = {
        (made.inputs["metadata"]["namespace"], made.inputs["metadata"]["name"]): made.inputs
        for made in recording.of("kubernetes.Role")
    }
    home = _namespace(EKS_FULL, agent)
    for made in recording.of("kubernetes.RoleBinding"):
        where = made.inputs["metadata"]["namespace"]
        subject = {"kind": "ServiceAccount", "name": agent, "namespace": home}
        if made.inputs["subjects"] == [subject]:
            reference = made.inputs["roleRef"]
            assert (reference["apiGroup"], reference["kind"]) == (
                "rbac.authorization.k8s.io",
                "Role",
            )
            found[where] = roles[where, reference["name"]]["rules"]
    return found


def _get(resource: str, *names: str) -> dict[str, Any]:
    return {
        "apiGroups": [""],
        "resources": [resource],
        "resourceNames": [*names],
        "verbs": ["get"],
    }


def test_an_agent_may_get_the_discovery_document_and_the_services_of_its_servers_by_name():
    recording = run(EKS_FULL)
    assert _may_read(recording, "assistant") == {
        "payments": [_get("configmaps", "discovery")],
        "mcp": [_get("services", "clock")],
        "records": [_get("services", "notes")],
    }
    assert _may_read(recording, "auditor") == {
        "mcp": [_get("configmaps", "discovery")],
        "records": [_get("services", "quiet")],
    }


def test_in_the_namespace_of_its_servers_an_agent_has_one_role():
    agents = {"assistant": {**FULL["agents"]["assistant"], "uses": ["clock", "old"]}}
    servers = {name: FULL["servers"][name] for name in ("clock", "old")}
    secrets = {"there-already": FULL["secrets"]["there-already"]}
    recording = run({"target": "eks", "servers": servers, "agents": agents, "secrets": secrets})
    (role,) = recording.of("kubernetes.Role")
    assert role.inputs["rules"] == [
        _get("configmaps", "discovery"),
        _get("services", "clock", "old"),
    ]


@fleets
def test_no_role_is_for_the_whole_cluster_and_none_is_bound_to_anybody_but_an_agent(fleet: Any):
    recording = run(fleet)
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        assert recording.of(f"kubernetes.{kind}") == []
    bound = {
        (subject["kind"], subject["name"])
        for made in recording.of("kubernetes.RoleBinding")
        for subject in made.inputs["subjects"]
    }
    assert bound == {("ServiceAccount", agent) for agent in fleet.get("agents", {})}
    for made in recording.of("kubernetes.Role"):
        for rule in made.inputs["rules"]:
            assert rule["verbs"] == ["get"]
            assert rule["resourceNames"] != []


@pytest.mark.parametrize(
    ("gateway", "to"),
    [
        ({}, {"cidr": EVERYWHERE}),
        (
            {"domain": "mcp.example.com", "zone": "Z0123456789ABCDEFGHIJ"},
            {"cidr": EVERYWHERE, "except": ["10.0.0.0/16"]},
        ),
    ],
)
def test_pods_do_not_reach_a_gateway_that_asks_for_no_token(
    gateway: dict[str, str], to: dict[str, Any]
):
    recording = run({**EKS, "gateway": gateway})
    for policy in recording.of("kubernetes.NetworkPolicy"):
        if policy.name.endswith("-way-out"):
            https = next(
                each
                for each in policy.inputs["spec"]["egress"]
                if each["ports"] == [{"protocol": "TCP", "port": 443}]
            )
            assert https["to"] == [{"ipBlock": to}]
