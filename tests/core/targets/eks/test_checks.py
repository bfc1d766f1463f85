from pathlib import Path
from typing import Any

import pytest

from core.config.errors import Fault, show
from core.config.model import GitOps, IdentityCenter
from core.targets.eks.versions import NEWEST
from tests.core.configurations import DIGEST_URI, SMALLEST, changed, configuration, fixed

_ON_EKS: dict[str, Any] = SMALLEST | {"target": "eks"}
_ELSEWHERE: dict[str, Any] = {"image": {"uri": DIGEST_URI}}
_VPC: dict[str, Any] = {
    "id": "vpc-01234567",
    "cidr": "10.1.0.0/16",
    "private_subnets": ["subnet-01234567", "subnet-01234568"],
}
_NEEDED = ["amazon-cloudwatch-observability", "aws-secrets-store-csi-driver-provider"]
_ROLE = "arn:aws:iam::123456789012:role/"
_FLUX: dict[str, Any] = {
    "engine": "flux",
    "repository": "https://github.com/example/fleet.git",
    "path": "rendered/production",
}
_CENTER: dict[str, Any] = {
    "identity_center": {"instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef"}
}


def _set(path: str, value: object) -> str:
    return f"pulumi config set --path 'mcp-platform:{path}' {value}"


def _rm(path: str) -> str:
    return f"pulumi config rm --path 'mcp-platform:{path}'"


def _clock(**fields: Any) -> dict[str, Any]:
    """The smallest fleet on EKS, its server with these fields."""
    server = {"image": {"context": "workloads/clock"}, **fields}
    return changed(_ON_EKS, "servers", "clock", value=server)


def _cluster(**fields: Any) -> dict[str, Any]:
    """The smallest fleet on EKS, its cluster with these fields."""
    return changed(_ON_EKS, "cluster", value=fields)


def _managed(**fields: Any) -> dict[str, Any]:
    """The smallest fleet on managed nodes with these fields."""
    return _cluster(nodes="managed", managed_nodes=fields)


def _existing(own: dict[str, Any], *addons: str, **fields: Any) -> dict[str, Any]:
    """The same in a cluster that exists already and has these add-ons."""
    cluster = {"existing": {"name": "shared", "addons": list(addons)}, **fields}
    return changed(changed(own, "cluster", value=cluster), "network", value={"vpc": _VPC})


def _assert_fits(own: dict[str, Any], root: Path) -> None:
    assert not configuration(own).faults(root)


def _assert_refused(own: dict[str, Any], root: Path, *expected: Fault) -> None:
    """Exactly these faults, and none once the commands of all have been run."""
    before = configuration(own)
    assert before.faults(root) == expected
    assert all(fault.fix for fault in expected)
    for fault in expected:
        before = fixed(before, fault.fix or "")
    assert not before.faults(root)


_NOT_RESERVED = (
    "a namespace that Kubernetes, AWS and add-ons do not reserve: not default, kube-*, "
    "aws-*, eks-*, amazon-cloudwatch, amazon-guardduty, argocd, flux-system, istio-system"
)


@pytest.mark.parametrize(
    "name",
    [
        "default",
        "kube-system",
        "kube-public",
        "aws-observability",
        "eks-pods",
        "amazon-cloudwatch",
        "amazon-guardduty",
        "argocd",
        "flux-system",
        "istio-system",
    ],
)
def test_a_reserved_namespace_is_refused_at_each_place(root: Path, name: str):
    teams: dict[str, Any] = {name: {}}
    own = _clock(team=name) | {"teams": teams, "cluster": {"namespace": name}}
    places = ("cluster.namespace", f"teams.{name}", "servers.clock.team")
    _assert_refused(
        own,
        root,
        *(
            Fault(path=tuple(place.split(".")), got=name, allowed=_NOT_RESERVED, fix=_rm(place))
            for place in places
        ),
    )


@pytest.mark.parametrize(
    "name", ["defaults", "kube", "kubernetes", "aws", "eks", "amazon", "argo", "flux", "istio"]
)
def test_a_namespace_that_only_resembles_a_reserved_one_is_allowed(root: Path, name: str):
    _assert_fits(_cluster(namespace=name), root)
    _assert_fits(_clock(team=name), root)


def test_the_namespace_of_those_that_belong_to_no_team_is_no_teams(root: Path):
    allowed = (
        "a team with another name: this is the namespace of the workloads without a team "
        "(cluster.namespace)"
    )
    _assert_refused(
        _clock(team="mcp") | {"teams": {"mcp": {}}},
        root,
        Fault(path=("teams", "mcp"), got="mcp", allowed=allowed, fix=_rm("teams.mcp")),
        Fault(
            path=("servers", "clock", "team"),
            got="mcp",
            allowed=allowed,
            fix=_rm("servers.clock.team"),
        ),
    )


def test_a_team_needs_no_declaration(root: Path):
    _assert_fits(_clock(team="payments"), root)


# Four copies of 256 CPU units and 512 MiB, each twice.
_LEAST = {"cpu": 2048, "memory": 4096, "pods": 8}


@pytest.mark.parametrize(("key", "least"), _LEAST.items())
def test_the_quota_of_a_team_has_room_for_all_its_copies_twice(root: Path, key: str, least: int):
    own = _clock(team="payments") | {"teams": {"payments": {key: least}}}
    _assert_fits(own, root)
    _assert_refused(
        changed(own, "teams", "payments", key, value=least - 1),
        root,
        Fault(
            path=("teams", "payments", key),
            got=str(least - 1),
            allowed=(
                f"at least {least}: the team's workloads with replicas.max, each replica "
                "twice during a rolling update"
            ),
            fix=_set(f"teams.payments.{key}", least),
        ),
    )


def test_the_quota_of_a_team_is_held_against_all_its_workloads_and_no_others(root: Path):
    own = _clock(team="payments")
    own["servers"]["search"] = {**_ELSEWHERE, "team": "payments", "replicas": {"max": 1}}
    own["servers"]["other"] = _ELSEWHERE
    _assert_fits(own | {"teams": {"payments": {"pods": 10}}}, root)
    (fault,) = configuration(own | {"teams": {"payments": {"pods": 9}}}).faults(root)
    assert (fault.path, fault.fix) == (
        ("teams", "payments", "pods"),
        _set("teams.payments.pods", 10),
    )


def test_the_cpu_of_a_team_is_rounded_as_kubernetes_counts_it(root: Path):
    # 100 CPU units are 98 thousandths of a vCPU, rounded up; two of them are 200.7 units.
    own = _clock(team="payments", cpu=100, replicas={"max": 1})
    _assert_fits(own | {"teams": {"payments": {"cpu": 201}}}, root)
    (fault,) = configuration(own | {"teams": {"payments": {"cpu": 200}}}).faults(root)
    assert fault.fix == _set("teams.payments.cpu", 201)


def test_a_pod_has_no_sidecars(root: Path):
    own = changed(
        _ON_EKS,
        "agents",
        "helper",
        value={**_ELSEWHERE, "uses": ["clock"], "sidecars": ["clock"]},
    )
    _assert_refused(
        own,
        root,
        Fault(
            path=("agents", "helper", "sidecars"),
            got='["clock"]',
            allowed=(
                "no sidecars on eks: a pod has one service account, and each server needs "
                "its own. The ecs target supports sidecars"
            ),
            fix=_rm("agents.helper.sidecars"),
        ),
    )


def test_a_shell_and_spare_capacity_are_for_all_workloads(root: Path):
    _assert_fits(_clock(exec=True, spot=True), root)
    _assert_fits(_clock(writable_root=True, health_command=["true"]), root)


@pytest.mark.parametrize("version", ["1.36", "1.35", "1.34"])
def test_a_version_in_standard_support_is_taken(root: Path, version: str):
    _assert_fits(_cluster(version=version), root)


@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_a_version_that_is_too_old_or_too_new_is_refused(root: Path, version: str):
    _assert_refused(
        _cluster(version=version),
        root,
        Fault(
            path=("cluster", "version"),
            got=version,
            allowed=("one of 1.36, 1.35, 1.34, the versions in standard support on 2026-11-23"),
            fix=_set("cluster.version", NEWEST),
        ),
    )


# Of the largest node of EKS Auto Mode, and of an m7g.large.
_AUTO, _LARGE = (32_030, 239_161), (1392, 6510)


@pytest.mark.parametrize(
    ("cluster", "most", "node"),
    [
        ({}, _AUTO, "the largest node of EKS Auto Mode has 32 vCPU with 256 GiB"),
        ({"nodes": "managed"}, _LARGE, "a node of m7g.large has 2 vCPU with 8 GiB"),
        (
            {"nodes": "managed", "managed_nodes": {"instance_types": ["t4g.large", "m7g.large"]}},
            _LARGE,
            "a node of m7g.large has 2 vCPU with 8 GiB",
        ),
    ],
)
def test_a_workload_asks_for_no_more_than_one_node_has(
    root: Path, cluster: dict[str, Any], most: tuple[int, int], node: str
):
    cpu, memory = most
    own = _clock(cpu=cpu, memory=memory) | {"cluster": cluster}
    _assert_fits(own, root)
    own = _clock(cpu=cpu + 1, memory=memory + 1) | {"cluster": cluster}
    _assert_refused(
        own,
        root,
        *(
            Fault(
                path=("servers", "clock", key),
                got=str(limit + 1),
                allowed=(
                    f"at most {limit}: {node}, minus what the operating system, the "
                    "kubelet and the add-ons reserve"
                ),
                fix=_set(f"servers.clock.{key}", limit),
            )
            for key, limit in (("cpu", cpu), ("memory", memory))
        ),
    )


def test_of_nodes_whose_size_is_not_known_nothing_is_said(root: Path):
    nodes = {"nodes": "managed", "managed_nodes": {"instance_types": ["t4g.large"]}}
    _assert_fits(_clock(cpu=100_000, memory=1_000_000) | {"cluster": nodes}, root)


def test_of_the_nodes_of_an_existing_cluster_nothing_is_known(root: Path):
    own = _clock(cpu=100_000, memory=1_000_000, replicas={"max": 1})
    _assert_fits(_existing(own, *_NEEDED), root)


def test_the_most_nodes_are_not_fewer_than_the_fewest(root: Path):
    _assert_fits(_managed(min=3, max=3), root)
    _assert_refused(
        _managed(min=3, max=2),
        root,
        Fault(
            path=("cluster", "managed_nodes", "max"),
            got="2",
            allowed="at least managed_nodes.min (3)",
            fix=_set("cluster.managed_nodes.max", 3),
        ),
    )


_TYPES = "cluster.managed_nodes.instance_types"


@pytest.mark.parametrize(
    ("types", "foreign", "fix"),
    [
        (["m7i.large"], "m7i.large", _rm(_TYPES)),
        (["g4dn.xlarge", "a1.large"], "g4dn.xlarge, a1.large", _rm(_TYPES)),
        (
            ["m7i.large", "m7g.large", "m7i-flex.large"],
            "m7i.large, m7i-flex.large",
            f"{_rm(f'{_TYPES}[2]')} && {_rm(f'{_TYPES}[0]')}",
        ),
    ],
)
def test_nodes_have_graviton_processors(root: Path, types: list[str], foreign: str, fix: str):
    _assert_refused(
        _managed(instance_types=types),
        root,
        Fault(
            path=("cluster", "managed_nodes", "instance_types"),
            got=foreign,
            allowed=(
                "types with Graviton processors, for example m7g.large: images are built for arm64"
            ),
            fix=fix,
        ),
    )


@pytest.mark.parametrize(
    "types", [["m8g.large", "m7g.large", "m6g.large"], ["m7gd.large", "c7gn.large", "x8g.48xlarge"]]
)
def test_nodes_of_one_size_and_nodes_whose_size_is_not_known_are_taken(
    root: Path, types: list[str]
):
    _assert_fits(_managed(instance_types=types), root)


def test_nodes_have_one_size(root: Path):
    _assert_refused(
        _managed(instance_types=["m7g.large", "r7g.large", "m6g.large", "m7g.xlarge"]),
        root,
        Fault(
            path=("cluster", "managed_nodes", "instance_types"),
            got="r7g.large (2 vCPU with 16 GiB), m7g.xlarge (4 vCPU with 16 GiB)",
            allowed=(
                "types with the size of m7g.large (2 vCPU with 8 GiB): the cluster "
                "autoscaler requires nodes of one size in a node group"
            ),
            fix=f"{_rm(f'{_TYPES}[3]')} && {_rm(f'{_TYPES}[1]')}",
        ),
    )


def test_managed_nodes_are_not_looked_at_where_auto_mode_makes_the_nodes(root: Path):
    fields = {"instance_types": ["m7i.large"], "min": 3, "max": 2}
    _assert_fits(_cluster(nodes="auto", managed_nodes=fields), root)


def _block(position: int) -> str:
    return f"203.0.113.{position}/32"


def test_40_blocks_reach_the_api_and_no_41st(root: Path):
    blocks = [_block(position) for position in range(42)]
    _assert_fits(_cluster(public_access_cidrs=blocks[:40]), root)
    _assert_refused(
        _cluster(public_access_cidrs=blocks),
        root,
        Fault(
            path=("cluster", "public_access_cidrs"),
            got="42 blocks",
            allowed="at most 40, the quota of EKS",
            fix=(
                f"{_rm('cluster.public_access_cidrs[41]')} && "
                f"{_rm('cluster.public_access_cidrs[40]')}"
            ),
        ),
    )


_KNOWN_CALLERS = "CIDR blocks of known clients, together at most a /8 of public addresses"


def test_the_api_is_not_public(root: Path):
    _assert_refused(
        _cluster(public_access_cidrs=[_block(1), "0.0.0.0/0"]),
        root,
        Fault(
            path=("cluster", "public_access_cidrs", 1),
            got="0.0.0.0/0",
            allowed=_KNOWN_CALLERS,
            fix=_rm("cluster.public_access_cidrs[1]"),
        ),
    )


def test_access_to_the_api_is_judged_by_the_union_of_the_blocks(root: Path):
    _assert_refused(
        _cluster(public_access_cidrs=["0.0.0.0/1", _block(1), "128.0.0.0/1"]),
        root,
        Fault(
            path=("cluster", "public_access_cidrs", 0),
            got="0.0.0.0/1, 128.0.0.0/1",
            allowed=_KNOWN_CALLERS,
            fix=f"{_rm('cluster.public_access_cidrs[2]')} && "
            f"{_rm('cluster.public_access_cidrs[0]')}",
        ),
    )


@pytest.mark.parametrize("block", ["10.0.0.0/16", "172.16.0.0/12", "192.168.1.0/24"])
def test_the_api_is_reached_from_private_addresses_anyway(root: Path, block: str):
    _assert_refused(
        _cluster(public_access_cidrs=[block]),
        root,
        Fault(
            path=("cluster", "public_access_cidrs", 0),
            got=block,
            allowed=(
                "CIDR blocks of public addresses. Clients in the VPC reach the cluster's "
                "API without an entry"
            ),
            fix=_rm("cluster.public_access_cidrs[0]"),
        ),
    )


def test_a_block_that_is_twice_there_is_one_fault(root: Path):
    before = configuration(_cluster(public_access_cidrs=["10.0.0.0/8", _block(1), "10.0.0.0/8"]))
    (fault,) = before.faults(root)
    assert fault.path == ("cluster", "public_access_cidrs", 0)
    fleet, _ = fixed(before, fault.fix or "").read(root)
    assert fleet.cluster.public_access_cidrs == (_block(1),)


def test_an_invalid_block_does_not_reach_the_api(root: Path):
    _assert_refused(
        _cluster(public_access_cidrs=["203.0.113.1/24"]),
        root,
        Fault(
            path=("cluster", "public_access_cidrs", 0),
            got="203.0.113.1/24",
            allowed="an IPv4 CIDR block without host bits, for example 203.0.113.0/24",
            fix=_set("cluster.public_access_cidrs[0]", "203.0.113.0/24"),
        ),
    )


def test_a_principal_has_one_name(root: Path):
    access = {"ops": {"principal_arn": f"{_ROLE}ops"}, "dev": {"principal_arn": f"{_ROLE}dev"}}
    _assert_fits(_cluster(access=access), root)
    access["again"] = {"principal_arn": f"{_ROLE}ops"}
    _assert_refused(
        _cluster(access=access),
        root,
        Fault(
            path=("cluster", "access", "again", "principal_arn"),
            got=f"{_ROLE}ops",
            allowed="one entry per principal: ops has the same principal_arn",
            fix=_rm("cluster.access.again"),
        ),
    )


def test_administrators_have_access_to_the_whole_cluster(root: Path):
    def access(**fields: Any) -> dict[str, Any]:
        return _cluster(access={"ops": {"principal_arn": f"{_ROLE}ops", **fields}})

    _assert_fits(access(policy="cluster-admin"), root)
    for policy in ("admin", "edit", "view"):
        _assert_fits(access(policy=policy, namespaces=["mcp"]), root)
    _assert_refused(
        access(policy="cluster-admin", namespaces=["mcp"]),
        root,
        Fault(
            path=("cluster", "access", "ops", "namespaces"),
            got='["mcp"]',
            allowed=(
                "no namespaces with policy: cluster-admin, which applies to the whole "
                "cluster; use admin for namespaces"
            ),
            fix=_set("cluster.access.ops.policy", "admin"),
        ),
    )


_ONE_COPY: dict[str, Any] = {"replicas": {"max": 1}}


def test_an_existing_cluster_with_what_the_fleet_needs_is_taken(root: Path):
    _assert_fits(_existing(_clock(**_ONE_COPY), *_NEEDED), root)
    everything = _clock(storage={"mount": "/data"})
    _assert_fits(_existing(everything, *_NEEDED, "metrics-server", "aws-efs-csi-driver"), root)


@pytest.mark.parametrize(
    ("fields", "addon", "reason"),
    [
        (
            _ONE_COPY,
            "amazon-cloudwatch-observability",
            "clock writes logs",
        ),
        (
            _ONE_COPY,
            "aws-secrets-store-csi-driver-provider",
            "clock reads secrets (a server has its request-state key)",
        ),
        (
            {"replicas": {"min": 1, "max": 2}},
            "metrics-server",
            "clock scales with CPU utilization",
        ),
        (
            _ONE_COPY | {"storage": {"mount": "/data"}},
            "aws-efs-csi-driver",
            "clock has storage",
        ),
    ],
)
def test_an_existing_cluster_without_an_addon_that_the_fleet_needs_is_refused(
    root: Path, fields: dict[str, Any], addon: str, reason: str
):
    has = [each for each in _NEEDED if each != addon]
    _assert_refused(
        _existing(_clock(**fields), *has),
        root,
        Fault(
            path=("cluster", "existing", "addons"),
            got=show(has),
            allowed=(
                "all add-ons that the fleet needs. Install the missing ones in the cluster, "
                f"then add them here: {addon} ({reason})"
            ),
            fix=_set(f"cluster.existing.addons[{len(has)}]", addon),
        ),
    )


def test_all_missing_addons_of_an_existing_cluster_are_reported_together(root: Path):
    own = _existing(_clock(storage={"mount": "/data"}))
    lacking = [*_NEEDED, "metrics-server", "aws-efs-csi-driver"]
    (fault,) = configuration(own).faults(root)
    assert fault.got == "[]"
    assert all(f"{addon} (clock " in fault.allowed for addon in lacking)
    assert fault.fix == " && ".join(
        _set(f"cluster.existing.addons[{position}]", addon)
        for position, addon in enumerate(lacking)
    )
    _assert_refused(own, root, fault)


def test_an_agent_without_secrets_needs_no_secrets_of_an_existing_cluster(root: Path):
    def own(**fields: Any) -> dict[str, Any]:
        agent = {**_ELSEWHERE, **_ONE_COPY, **fields}
        fleet = {"target": "eks", "agents": {"helper": agent}}
        fleet["secrets"] = {"key": {"source": "generated"}}
        return _existing(fleet, "amazon-cloudwatch-observability")

    _assert_fits(own(), root)
    (fault,) = configuration(own(secrets=["key"])).faults(root)
    assert fault.fix == _set("cluster.existing.addons[1]", "aws-secrets-store-csi-driver-provider")


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [
        ("version", "1.33", "1.33"),
        (
            "managed_nodes",
            {"min": 1, "max": 1},
            '{"instance_types": ["m7g.large"], "min": 1, "max": 1, "disk_gib": 50}',
        ),
        ("public_access_cidrs", [_block(1)], '["203.0.113.1/32"]'),
        ("access", {}, "{}"),
        ("deletion_protection", True, "true"),
    ],
)
def test_what_is_the_owners_of_an_existing_cluster_is_not_configured(
    root: Path, key: str, value: object, got: str
):
    _assert_refused(
        _existing(_clock(**_ONE_COPY), *_NEEDED, **{key: value}),
        root,
        Fault(
            path=("cluster", key),
            got=got,
            allowed="no value when cluster.existing is set: the owner of the cluster manages it",
            fix=_rm(f"cluster.{key}"),
        ),
    )


@pytest.mark.parametrize("field", [{"nodes": "managed"}, {"namespace": "fleet"}])
def test_what_is_the_fleets_in_an_existing_cluster_is_configured(root: Path, field: dict[str, Any]):
    _assert_fits(_existing(_clock(**_ONE_COPY), *_NEEDED, **field), root)


def test_an_existing_cluster_is_in_an_existing_network(root: Path):
    own = _existing(_clock(**_ONE_COPY), *_NEEDED)
    del own["network"]
    assert configuration(own).faults(root) == (
        Fault(
            path=("network", "vpc"),
            got="no value",
            allowed="the VPC of the existing cluster",
        ),
    )


def test_argo_cd_has_an_identity_center_that_its_users_sign_in_with(root: Path):
    argocd = _FLUX | {"engine": "argocd"}
    _assert_fits(_ON_EKS | {"gitops": argocd | _CENTER}, root)
    (example,) = GitOps.model_fields["identity_center"].examples or []
    assert IdentityCenter.model_validate(example)
    _assert_refused(
        _ON_EKS | {"gitops": argocd},
        root,
        Fault(
            path=("gitops", "identity_center"),
            got="no value",
            allowed=(
                "an instance of AWS IAM Identity Center: users sign in to the managed "
                "Argo CD only through it. engine: flux needs none"
            ),
            fix=_set("gitops.identity_center.instance_arn", example["instance_arn"]),
        ),
    )


def test_flux_has_no_users(root: Path):
    _assert_fits(_ON_EKS | {"gitops": _FLUX}, root)
    _assert_refused(
        _ON_EKS | {"gitops": _FLUX | _CENTER},
        root,
        Fault(
            path=("gitops", "identity_center"),
            got="arn:aws:sso:::instance/ssoins-1234567890abcdef",
            allowed="no value with engine: flux, which has no users",
            fix=_rm("gitops.identity_center"),
        ),
    )


@pytest.mark.parametrize(
    ("further", "whose"),
    [
        ({"gitops": _FLUX}, "Flux"),
        ({"mesh": "istio"}, "Istio"),
        ({"cluster": {"nodes": "managed"}}, "the cluster autoscaler"),
        ({"gitops": _FLUX, "mesh": "istio"}, "Flux and Istio"),
    ],
)
def test_images_from_the_internet_need_nat(root: Path, further: dict[str, Any], whose: str):
    own = _ON_EKS | further
    _assert_fits(own, root)
    _assert_fits(own | {"network": {"nat": "per-zone"}}, root)
    _assert_refused(
        own | {"network": {"nat": "none"}},
        root,
        Fault(
            path=("network", "nat"),
            got="none",
            allowed=f"single or per-zone: nodes pull the images of {whose} from the internet",
            fix=_set("network.nat", "single"),
        ),
    )


def test_an_existing_network_has_its_own_way_to_the_internet(root: Path):
    own = _ON_EKS | {"gitops": _FLUX, "mesh": "istio", "network": {"vpc": _VPC}}
    _assert_fits(own | {"cluster": {"nodes": "managed"}}, root)


def test_argo_cd_runs_outside_of_the_network_and_needs_no_nat(root: Path):
    argocd = _FLUX | _CENTER | {"engine": "argocd"}
    _assert_fits(_ON_EKS | {"gitops": argocd, "network": {"nat": "none"}}, root)


@pytest.mark.parametrize("target", ["lambda", "ecs"])
def test_what_only_a_cluster_has_does_not_keep_a_fleet_from_other_targets(root: Path, target: str):
    own = _clock(team="kube-system") | {
        "teams": {"payments": {"pods": 1}},
        "cluster": {"version": "1.20", "existing": {"name": "shared"}},
        "gitops": _FLUX | {"engine": "argocd"},
        "mesh": "istio",
        "target": target,
    }
    _assert_fits(own, root)


def test_all_errors_of_a_fleet_on_eks_are_reported_together(root: Path):
    own = _clock(team="default", cpu=32_031, max_request_seconds=3971) | {
        "cluster": {"version": "1.20", "public_access_cidrs": ["0.0.0.0/0"]},
        "gitops": _FLUX | {"engine": "argocd"},
        "mesh": "app-mesh",
    }
    assert [fault.path[-1] for fault in configuration(own).faults(root)] == [
        "mesh",
        "team",
        "version",
        "cpu",
        0,
        "identity_center",
        "max_request_seconds",
    ]
