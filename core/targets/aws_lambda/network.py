"""The network of a fleet on Lambda: only functions that need it run in it."""

from core.config.model import Fleet
from core.network.egress import Egress, model_services, shell_services
from core.network.egress import egress as _egress


def egress(fleet: Fleet) -> Egress:
    """The egress of the functions in the network.

    Lambda pulls images and writes logs from outside of the network. The REST API requires that
    every request is signed, and each role may call its own servers only.
    """
    inside = {
        name: load
        for name, load in fleet.workloads()
        if (load.storage is not None or load.private_network) and not fleet.is_state_machine(load)
    }
    loads = inside.values()
    return _egress(
        fleet,
        inside=list(inside),
        services=["secretsmanager", *shell_services(loads), *model_services(loads)],
        meets_gateway=False,
    )
