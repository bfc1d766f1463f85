"""Rules about workloads: names, replicas and concurrency."""

from collections.abc import Iterator

from core.config.errors import Fault, rm_command, set_command, show
from core.config.rules.facts import Facts


def check_not_empty(facts: Facts) -> Iterator[Fault]:
    """A fleet must have a server or an agent."""
    known = [facts.names.get(section) for section in ("servers", "agents")]
    if not any(names is None or names for names in known):
        yield Fault(
            path=("servers",),
            got="no value",
            allowed="at least one server or agent",
            fix=set_command(("servers", "clock", "image", "context"), "workloads/clock"),
        )


def check_unique_names(facts: Facts) -> Iterator[Fault]:
    """A server and an agent must not have the same name."""
    nothing = frozenset[str]()
    for name in sorted(facts.names.get("servers", nothing) & facts.names.get("agents", nothing)):
        yield Fault(
            path=("agents", name),
            got="the name of a server",
            allowed="a name that is unique across servers and agents",
            fix=rm_command(("agents", name)),
        )


def check_replicas(facts: Facts) -> Iterator[Fault]:
    """`replicas.min` must not be greater than `replicas.max`."""
    for path, load in facts.fleet.paths():
        if load.replicas.min > load.replicas.max:
            yield Fault(
                path=(*path, "replicas", "max"),
                got=show(load.replicas.max),
                allowed=f"at least replicas.min ({load.replicas.min})",
                fix=set_command((*path, "replicas", "max"), load.replicas.min),
            )


def check_concurrency(facts: Facts) -> Iterator[Fault]:
    """Provisioned concurrency must not be greater than its maximum or the reserved one."""
    for path, load in facts.fleet.paths():
        here, has = (*path, "concurrency"), load.concurrency
        warm = max(has.provisioned, has.provisioned_max or 0)
        if has.provisioned_max is not None and not 1 <= has.provisioned <= has.provisioned_max:
            yield Fault(
                path=(*here, "provisioned_max"),
                got=show(has.provisioned_max),
                allowed=f"at least provisioned ({has.provisioned}), which must be at least 1",
                fix=rm_command((*here, "provisioned_max")),
            )
        elif has.reserved is not None and has.reserved < warm:
            yield Fault(
                path=(*here, "reserved"),
                got=show(has.reserved),
                allowed=f"at least {warm}, the provisioned concurrency",
                fix=set_command((*here, "reserved"), warm),
            )
