"""The options of a caller apply to the component, not to its children."""

import functools
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s
import pulumi_random as random
import pytest

from components.foundation import Foundation
from components.foundation.discovery import Discovery
from components.foundation.images import Images
from components.foundation.keys import Key
from components.foundation.network import Network
from components.foundation.observability import Observability
from components.foundation.storage import Storage
from components.foundation.vault import Vault
from components.gateway.certificate import Certificate
from components.gateway.gateway import Gateway
from components.publish import Published
from components.targets.ecs import EcsTarget
from components.targets.ecs.cluster import create_cluster
from components.targets.ecs.traffic import open_traffic
from components.targets.ecs.workload import Workload
from components.targets.eks import EksTarget
from components.targets.eks import cluster as eks_cluster
from components.targets.eks.base import Base
from components.targets.eks.namespaces import Namespaces
from components.targets.eks.workload import Workload as EksWorkload
from core.config.parse import parse
from core.network.zones import Placement
from core.resolved import ResolvedFleet
from core.stack import Stack
from core.targets.dispatch import resolve
from tests.components.fleets import EKS_FULL, FULL
from tests.components.recording import REGION, ROOT, Recording, Resource, configuration, record

OWNER, OTHER_PROVIDER, NEEDED, FORMER = "owner", "other", "needed", "former-name"
OTHER_CLUSTER = "other-cluster"


class _Owner(pulumi.ComponentResource):
    def __init__(self) -> None:
        super().__init__("tests:index:Owner", OWNER)
        self.register_outputs({})


def _begun(configured: dict[str, Any]) -> tuple[ResolvedFleet, pulumi.ResourceOptions]:
    """A fleet, and a component's options with all options set."""
    bag, encrypted = configuration(configured)
    fleet, region = parse(bag, encrypted=frozenset(encrypted), root=ROOT)
    stack = Stack(project="mcp-platform", name="dev", region=region, production=False)
    opts = pulumi.ResourceOptions(
        parent=_Owner(),
        providers=[
            aws.Provider(OTHER_PROVIDER, region=region),
            k8s.Provider(OTHER_CLUSTER, kubeconfig="{}"),
        ],
        depends_on=[random.RandomPassword(NEEDED, length=8)],
        aliases=[pulumi.Alias(name=FORMER)],
        protect=True,
    )
    return resolve(fleet, stack), opts


ZONES = Placement(names=("us-east-1a", "us-east-1b"), cluster=(0, 1))


def _everything_with_options() -> None:
    """Creates one of each component, except for the components of EKS."""
    fleet, opts = _begun(FULL)
    stack = fleet.stack
    values = {"notes-api-key": pulumi.Output.secret("value")}
    foundation = Foundation("Foundation", fleet=fleet, zones=ZONES, secret_values=values, opts=opts)
    account, network, key = foundation.account, foundation.network, foundation.key_arn
    Key("Key", stack=stack, account=account, opts=opts)
    Network("Network", fleet=fleet, zones=ZONES, account=account, key_arn=key, opts=opts)
    Vault("Vault", fleet=fleet, key_arn=key, values=values, opts=opts)
    Observability("Observability", fleet=fleet, key_arn=key, opts=opts)
    Discovery("Discovery", stack=stack, vpc_id=network.vpc_id, opts=opts)
    Images("Images", fleet=fleet, key_arn=key, opts=opts)
    Storage("Storage", fleet=fleet, account=account, network=network, key_arn=key, opts=opts)
    parts: dict[str, Any] = {"fleet": fleet, "foundation": foundation}
    certificate = Certificate(
        "Certificate", domain="mcp.example.com", zone="Z0123456789ABCDEFGHIJ", opts=opts
    )
    gateway = Gateway("Gateway", **parts, certificate_arn=certificate.arn, opts=opts)
    target = EcsTarget("Target", **parts, gateway=gateway, opts=opts)
    Workload(
        "Workload",
        workload=fleet.workloads["notes"],
        **parts,
        gateway=gateway,
        cluster=create_cluster("shared", foundation=foundation, parent=target),
        traffic=open_traffic("shared", **parts, gateway=gateway, parent=target)["notes"],
        opts=opts,
    )
    Published("Published", fleet=fleet, foundation=foundation, target=target, opts=opts)


def _eks_with_options() -> None:
    """Creates one of each component of EKS."""
    fleet, opts = _begun(EKS_FULL)
    values = {"notes-api-key": pulumi.Output.secret("value")}
    foundation = Foundation("Foundation", fleet=fleet, zones=ZONES, secret_values=values)
    parts: dict[str, Any] = {"fleet": fleet, "foundation": foundation}
    gateway = Gateway("Gateway", **parts, certificate_arn=None)
    called = eks_cluster.name_cluster(fleet)
    target = EksTarget(
        "Target",
        **parts,
        gateway=gateway,
        cluster_name=called,
        aws_config=pulumi.Config("aws"),
        opts=opts,
    )
    cluster = eks_cluster.create_cluster("shared", called, **parts, parent=target)
    Base("Base", **parts, gateway=gateway, cluster=cluster, opts=opts)
    namespaces = Namespaces("Namespaces", **parts, cluster=cluster, needed=[], opts=opts)
    EksWorkload(
        "Workload",
        workload=fleet.workloads["notes"],
        **parts,
        gateway=gateway,
        namespaces=namespaces,
        rules=[],
        opts=opts,
    )


_PROGRAMS = {"eks": _eks_with_options, "rest": _everything_with_options}


@functools.cache
def _recorded(program: str) -> Recording:
    return record(_PROGRAMS[program], configuration={"aws:region": REGION}, encrypted=[])


def _component(program: str, name: str) -> Resource:
    return _recorded(program).one(f"mcp-platform.{name}", name)


_PROBED = {
    "eks": ["Base", "Namespaces", "Target", "Workload"],
    "rest": [
        "Certificate",
        "Discovery",
        "Foundation",
        "Gateway",
        "Images",
        "Key",
        "Network",
        "Observability",
        "Published",
        "Storage",
        "Target",
        "Vault",
        "Workload",
    ],
}
components = pytest.mark.parametrize(
    ("program", "name"), [(program, name) for program, each in _PROBED.items() for name in each]
)


def _named(program: str, name: str) -> str:
    (urn,) = (made.urn for made in _recorded(program).resources.values() if made.name == name)
    return urn


def test_every_type_of_component_is_probed_but_those_of_lambda():
    probed = {
        made.type
        for program in _PROBED
        for made in _recorded(program).components
        if made.parent == _named(program, OWNER)
    }
    assert probed == {made.type for program in _PROBED for made in _recorded(program).components}
    assert len(probed) == 17


@components
def test_a_component_takes_parent_aliases_protection_and_dependencies_of_its_caller(
    program: str, name: str
):
    made = _component(program, name)
    assert made.parent == _named(program, OWNER)
    assert made.aliases == [FORMER]
    assert made.protect
    assert made.dependencies == [_named(program, NEEDED)]


@components
def test_the_children_of_a_component_have_neither_its_aliases_nor_its_dependencies(
    program: str, name: str
):
    children = _recorded(program).children(_component(program, name))
    assert children != []
    assert [made.name for made in children if FORMER in str(made.aliases)] == []
    assert [made.name for made in children if _named(program, NEEDED) in made.dependencies] == []


@components
def test_the_children_of_a_component_are_made_with_the_provider_of_its_caller(
    program: str, name: str
):
    children = _recorded(program).children(_component(program, name))
    providers = {made.provider.rsplit("::", 1)[0] for made in children if made.type[:4] == "aws:"}
    assert providers <= {_named(program, OTHER_PROVIDER)}
    objects = [made for made in children if made.type.startswith("kubernetes:")]
    clusters = {made.provider.rsplit("::", 1)[0] for made in objects}
    assert clusters <= {_named(program, OTHER_CLUSTER)}
    assert providers or clusters or name == "Foundation"
