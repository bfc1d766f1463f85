"""Where the gateway's domain leads."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.gateway.moved import from_gateway


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What a domain can lead to: a load balancer, or the domain of a REST API.

    Attributes:
        dns_name: AWS's own name of it.
        zone_id: The Route 53 zone of that name.
        has_health: Whether Route 53 can see if it is well.
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
    """Makes the record that leads from the domain to the gateway.

    It is the same record on every target: a switch updates it.

    Args:
        name: The stem of the logical name.
        domain: The domain.
        zone: Its zone.
        endpoint: What it leads to.
        parent: The component that it belongs to.
        needed: What must exist before it leads there.
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
