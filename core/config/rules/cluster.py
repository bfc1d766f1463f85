"""Rules about the EKS cluster: access to its API, teams and mesh."""

from collections.abc import Iterator

from core.config.enums import Mesh
from core.config.errors import Fault, rm_command, set_command
from core.config.rules.blocks import check_blocks
from core.config.rules.facts import Facts


def check_public_access(facts: Facts) -> Iterator[Fault]:
    """The blocks that may reach the API of the cluster must be IPv4 CIDR blocks."""
    blocks = facts.fleet.cluster.public_access_cidrs
    yield from check_blocks(("cluster", "public_access_cidrs"), blocks, listed=True)


def check_teams(facts: Facts) -> Iterator[Fault]:
    """Each team in `teams` must own a workload."""
    fleet = facts.fleet
    known = {*facts.names.get("servers", ("unread",)), *facts.names.get("agents", ("unread",))}
    # A workload that could not be parsed may belong to the team.
    if not fleet.has_cluster or known != {name for name, _ in fleet.workloads()}:
        return
    named = {load.team: None for _, load in fleet.workloads() if load.team}
    for team in fleet.teams:
        if team not in named:
            yield Fault(
                path=("teams", team),
                got="a team without workloads",
                allowed=f"teams of workloads: {', '.join(named) or 'no workload sets team'}",
                fix=rm_command(("teams", team)),
            )


def check_mesh(facts: Facts) -> Iterator[Fault]:
    """The service mesh must not be App Mesh, which was discontinued."""
    if facts.fleet.mesh is Mesh.APP_MESH:
        instead = Mesh.ISTIO if facts.fleet.has_cluster else Mesh.NONE
        yield Fault(
            path=("mesh",),
            got=facts.fleet.mesh.value,
            allowed=f"{Mesh.NONE.value}, or {Mesh.ISTIO.value} on eks. AWS App Mesh was "
            "discontinued on 2026-09-30",
            fix=set_command(("mesh",), instead.value),
        )
