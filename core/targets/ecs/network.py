"""The network of a fleet on ECS: all workloads run in it."""

from core.config.model import Fleet
from core.network.egress import (
    IMAGES_AND_LOGS,
    Egress,
    meets_load_balancer,
    model_services,
    shell_services,
)
from core.network.egress import egress as _egress


def egress(fleet: Fleet) -> Egress:
    """The egress of the workloads of a fleet."""
    loads = dict(fleet.workloads())
    return _egress(
        fleet,
        inside=list(loads),
        services=[
            *IMAGES_AND_LOGS,
            "secretsmanager",
            *shell_services(loads.values()),
            *model_services(loads.values()),
        ],
        meets_gateway=meets_load_balancer(fleet),
    )
