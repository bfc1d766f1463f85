"""The sizes that a Fargate task can have.

Source: Amazon ECS API reference, RegisterTaskDefinition, ``cpu`` and ``memory``, as in botocore's
service model (read 2026-11-22): 16 vCPU are the most. CPU is in units of which 1024 are one vCPU,
memory in MiB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.units import MIB_A_GIB

MEMORY_MIB: Final[Mapping[int, tuple[int, ...]]] = MappingProxyType(
    {
        256: (512, 1 * MIB_A_GIB, 2 * MIB_A_GIB),
        512: tuple(range(1 * MIB_A_GIB, 4 * MIB_A_GIB + 1, MIB_A_GIB)),
        1024: tuple(range(2 * MIB_A_GIB, 8 * MIB_A_GIB + 1, MIB_A_GIB)),
        2048: tuple(range(4 * MIB_A_GIB, 16 * MIB_A_GIB + 1, MIB_A_GIB)),
        4096: tuple(range(8 * MIB_A_GIB, 30 * MIB_A_GIB + 1, MIB_A_GIB)),
        8192: tuple(range(16 * MIB_A_GIB, 60 * MIB_A_GIB + 1, 4 * MIB_A_GIB)),
        16384: tuple(range(32 * MIB_A_GIB, 120 * MIB_A_GIB + 1, 8 * MIB_A_GIB)),
    }
)
"""For every number of CPU units the memory sizes in MiB, both rising."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A size that Fargate offers.

    Attributes:
        cpu: CPU units, 1024 a vCPU.
        memory_mib: memory in MiB.
    """

    cpu: int
    memory_mib: int

    def __str__(self) -> str:
        """Say the size as people configure it."""
        return f"cpu {self.cpu} with memory {self.memory_mib}"


def sizes() -> tuple[Size, ...]:
    """List every size, smallest first: by CPU, then by memory."""
    return tuple(
        Size(cpu=cpu, memory_mib=memory) for cpu, row in MEMORY_MIB.items() for memory in row
    )


def is_size(cpu: int, memory_mib: int) -> bool:
    """Tell whether Fargate offers exactly this many CPU units with this many MiB."""
    return memory_mib in MEMORY_MIB.get(cpu, ())


def smallest(cpu: int = 0, memory_mib: int = 0) -> Size | None:
    """Find the smallest size that has at least this much.

    Args:
        cpu: CPU units that are needed; 0 when any number will do.
        memory_mib: MiB that are needed; 0 when any number will do.

    Returns:
        The size with the least CPU, and of those the one with the least memory; None when Fargate
        has nothing that large.
    """
    return next(
        (size for size in sizes() if size.cpu >= cpu and size.memory_mib >= memory_mib), None
    )


def explain(cpu: int, memory_mib: int) -> str:
    """Say what Fargate makes of a size, for an error message.

    Args:
        cpu: CPU units as configured.
        memory_mib: MiB as configured.

    Returns:
        Without a final full stop: what is allowed for that cpu, or which cpus there are, and the
        nearest size, which is the smallest with at least as much, or the largest of all when
        there is none.
    """
    if is_size(cpu, memory_mib):
        return f"Fargate offers cpu {cpu} with memory {memory_mib}"
    nearest = smallest(cpu, memory_mib) or sizes()[-1]
    row = MEMORY_MIB.get(cpu)
    allowed = (
        f"cpu {cpu} goes with memory {_spell(row)}"
        if row
        else f"cpu is one of {', '.join(map(str, MEMORY_MIB))}"
    )
    return (
        f"Fargate does not offer cpu {cpu} with memory {memory_mib}: {allowed}; "
        f"the nearest size is {nearest}"
    )


def _spell(row: tuple[int, ...]) -> str:
    """Write an even row as a range with its step, another one as a list."""
    step = row[-1] - row[-2]
    if row == tuple(range(row[0], row[-1] + 1, step)):
        return f"{row[0]} to {row[-1]} in steps of {step}"
    return f"{', '.join(map(str, row[:-1]))} or {row[-1]}"
