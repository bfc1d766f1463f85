"""The DNS record of the gateway's domain."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.gateway.moved import from_gateway


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The target of an alias record: a load balancer, or the domain of a REST API.

    Attributes:
        dns_name: The DNS name that AWS assigned.
        zone_id: The Route 53 hosted zone of that name.
        has_health: Whether Route 53 can evaluate its health.
    """

    dns_name: pulumi.Output[str]
    zone_id: pulumi.Output[str]
    has_health: bool


def address(
    name: str,
    *,
    domain: str,
    zone: str,
    endpoint: Endpoint,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> None:
    """Creates the alias record from the domain to the gateway.

    Every target uses the same record. A switch of the target updates it.

    Args:
        name: The prefix of the logical name.
        domain: The domain.
        zone: The id of the hosted zone.
        endpoint: The endpoint of the gateway.
        parent: The parent component.
        needed: The resources that must exist before the record is created or updated.
    """
    aws.route53.Record(
        f"{name}-address",
        zone_id=zone,
        name=domain,
        type="A",
        aliases=[
            {
                "name": endpoint.dns_name,
                "zone_id": endpoint.zone_id,
                "evaluate_target_health": endpoint.has_health,
            }
        ],
        opts=pulumi.ResourceOptions(
            parent=parent, depends_on=needed, aliases=[from_gateway("address")]
        ),
    )
