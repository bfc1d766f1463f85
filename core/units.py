"""Units of CPU, memory and time, for conversions."""

from typing import Final

CPU_UNITS_A_VCPU: Final = 1024
"""CPU units of one vCPU, as in the configuration and on ECS."""

MILLICORES_A_VCPU: Final = 1000
"""Millicores of one vCPU, as in Kubernetes."""

MIB_A_GIB: Final = 1024
MILLISECONDS_A_SECOND: Final = 1000
