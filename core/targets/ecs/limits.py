"""The sizes of a Fargate task.

Source: Amazon ECS API reference, RegisterTaskDefinition, ``cpu`` and ``memory``, as in botocore's
service model (read 2026-11-22). The maximum is 16 vCPU. CPU is in units of 1/1024 vCPU, memory in
MiB.
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
"""The memory sizes in MiB for each number of CPU units, both in ascending order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A size of a Fargate task.

    Attributes:
        cpu: CPU units; 1024 are one vCPU.
        memory_mib: Memory in MiB.
    """

    cpu: int
    memory_mib: int

    def __str__(self) -> str:
        """The size in terms of the configuration keys."""
        return f"cpu {self.cpu} with memory {self.memory_mib}"


def sizes() -> tuple[Size, ...]:
    """All sizes in ascending order, by CPU, then by memory."""
    return tuple(
        Size(cpu=cpu, memory_mib=memory) for cpu, row in MEMORY_MIB.items() for memory in row
    )


def is_size(cpu: int, memory_mib: int) -> bool:
    """Whether Fargate supports exactly this size."""
    return memory_mib in MEMORY_MIB.get(cpu, ())


def smallest(cpu: int = 0, memory_mib: int = 0) -> Size | None:
    """The smallest size with at least this much CPU and memory.

    Args:
        cpu: The minimum number of CPU units.
        memory_mib: The minimum memory in MiB.

    Returns:
        The size with the least CPU, and of these the one with the least memory, or None if no size
        is large enough.
    """
    return next(
        (size for size in sizes() if size.cpu >= cpu and size.memory_mib >= memory_mib), None
    )


def explain(cpu: int, memory_mib: int) -> str:
    """The part of an error message that explains a size.

    Args:
        cpu: The configured CPU units.
        memory_mib: The configured memory in MiB.

    Returns:
        The memory sizes for this number of CPU units, or the possible numbers of CPU units, and
        the nearest size: the smallest one that is large enough, or else the largest.
    """
    if is_size(cpu, memory_mib):
        return f"Fargate supports cpu {cpu} with memory {memory_mib}"
    nearest = smallest(cpu, memory_mib) or sizes()[-1]
    row = MEMORY_MIB.get(cpu)
    allowed = (
        f"with cpu {cpu}, memory must be {_spell(row)}"
        if row
        else f"cpu must be one of {', '.join(map(str, MEMORY_MIB))}"
    )
    return f"a size that Fargate supports: {allowed}. The nearest size is {nearest}"


def _spell(row: tuple[int, ...]) -> str:
    """An evenly spaced row as a range with its step, another row as a list."""
    step = row[-1] - row[-2]
    if row == tuple(range(row[0], row[-1] + 1, step)):
        return f"{row[0]} to {row[-1]} in steps of {step}"
    return f"{', '.join(map(str, row[:-1]))} or {row[-1]}"
