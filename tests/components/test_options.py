"""A caller's options hold for the component, and go nowhere else."""

import functools
from typing import Any

import pulumi
import pulumi_aws as aws
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
from components.targets.ecs.workload import Workload
from core.parse import parse
from core.stack import Stack
from tests.components.fleets import FULL
from tests.components.recording import ROOT, Recording, Resource, configuration, record

OWNER, OTHER_PROVIDER, NEEDED, FORMER = "owner", "other", "needed", "former-name"


class _Owner(pulumi.ComponentResource):
    def __init__(self) -> None:
        super().__init__("tests:index:Owner", OWNER)
        self.register_outputs({})


def _everything_with_options() -> None:
    """Makes one of each component, with every option that a caller may want."""
    bag, encrypted = configuration(FULL)
    fleet, region = parse(bag, encrypted=frozenset(encrypted), root=ROOT)
    stack = Stack(project="mcp-platform", name="dev", region=region, production=False)
    opts = pulumi.ResourceOptions(
        parent=_Owner(),
        providers=[aws.Provider(OTHER_PROVIDER, region=region)],
        depends_on=[random.RandomPassword(NEEDED, length=8)],
        aliases=[pulumi.Alias(name=FORMER)],
        protect=True,
    )
    base: dict[str, Any] = {"fleet": fleet, "stack": stack}
    values = {"notes-api-key": pulumi.Output.secret("value")}
    foundation = Foundation("Foundation", **base, secret_values=values, opts=opts)
    account, network, key = foundation.account, foundation.network, foundation.key_arn
    Key("Key", stack=stack, account=account, opts=opts)
    Network("Network", **base, account=account, key_arn=key, opts=opts)
    Vault("Vault", **base, key_arn=key, values=values, opts=opts)
    Observability("Observability", **base, key_arn=key, opts=opts)
    Discovery("Discovery", stack=stack, vpc_id=network.vpc_id, opts=opts)
    Images("Images", **base, key_arn=key, opts=opts)
    Storage("Storage", **base, account=account, network=network, key_arn=key, opts=opts)
    base |= {"foundation": foundation}
    certificate = Certificate(
        "Certificate", domain="mcp.example.com", zone="Z0123456789ABCDEFGHIJ", opts=opts
    )
    gateway = Gateway("Gateway", **base, certificate_arn=certificate.arn, opts=opts)
    target = EcsTarget("Target", **base, gateway=gateway, opts=opts)
    Workload(
        "Workload",
        workload="notes",
        load=fleet.servers["notes"],
        **base,
        gateway=gateway,
        cluster=create_cluster("shared", stack=stack, foundation=foundation, parent=target),
        opts=opts,
    )
    Published("Published", **base, target=target, opts=opts)


@functools.cache
def _recorded() -> Recording:
    return record(_everything_with_options, configuration={}, encrypted=[])


def _component(name: str) -> Resource:
    return _recorded().one(f"mcp-platform.{name}", name)


components = pytest.mark.parametrize(
    "name",
    [
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
)


def _named(name: str) -> str:
    (urn,) = (made.urn for made in _recorded().resources.values() if made.name == name)
    return urn


def test_every_kind_of_component_is_probed():
    probed = {made.kind for made in _recorded().components if made.parent == _named(OWNER)}
    assert probed == {made.kind for made in _recorded().components}
    assert len(probed) == 13


@components
def test_a_component_takes_parent_aliases_protection_and_dependencies_of_its_caller(name: str):
    made = _component(name)
    assert made.parent == _named(OWNER)
    assert made.aliases == [FORMER]
    assert made.protect
    assert made.dependencies == [_named(NEEDED)]


@components
def test_the_children_of_a_component_have_neither_its_aliases_nor_its_dependencies(name: str):
    children = _recorded().children(_component(name))
    assert children != []
    assert [made.name for made in children if FORMER in str(made.aliases)] == []
    assert [made.name for made in children if _named(NEEDED) in made.dependencies] == []


@components
def test_the_children_of_a_component_are_made_with_the_provider_of_its_caller(name: str):
    children = _recorded().children(_component(name))
    providers = {made.provider.rsplit("::", 1)[0] for made in children if made.type[:4] == "aws:"}
    assert providers <= {_named(OTHER_PROVIDER)}
    assert providers or name == "Foundation"
