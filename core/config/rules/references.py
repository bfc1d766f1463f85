"""Rules about references to secrets and servers."""

from collections.abc import Iterator
from difflib import get_close_matches

from core.config.errors import Fault, KeyPath, rm_command, set_command, show
from core.config.rules.duplicates import duplicate
from core.config.rules.facts import Facts


def check_references(facts: Facts) -> Iterator[Fault]:
    """Workloads must refer only to declared secrets and servers, each at most once."""
    for path, load in facts.fleet.paths():
        yield from _refer(facts, (*path, "secrets"), load.secrets, "secrets")
    for name, agent in facts.fleet.agents.items():
        yield from _refer(facts, ("agents", name, "uses"), agent.uses, "servers")
        for position, sidecar in enumerate(agent.sidecars):
            here = ("agents", name, "sidecars", position)
            if sidecar not in agent.uses or sidecar in agent.sidecars[:position]:
                yield Fault(
                    path=here,
                    got=show(sidecar),
                    allowed="servers in uses of the agent, each at most once: "
                    f"{', '.join(agent.uses) or 'uses is empty'}",
                    fix=rm_command(here),
                )


def _refer(facts: Facts, path: KeyPath, used: tuple[str, ...], section: str) -> Iterator[Fault]:
    known = facts.names.get(section)
    if known is None:
        return
    for position, name in enumerate(used):
        here = (*path, position)
        if name not in known:
            options = ", ".join(sorted(known)) or f"{section} is empty"
            near = get_close_matches(name, sorted(known.difference(used)), n=1, cutoff=0)
            yield Fault(
                path=here,
                got=show(name),
                allowed=f"a name declared in {section}: {options}",
                fix=set_command(here, near[0]) if near else rm_command(here),
            )
        elif name in used[:position]:
            yield duplicate(here, name, "each name at most once")
