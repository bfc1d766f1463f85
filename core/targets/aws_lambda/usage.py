"""What a fleet on Lambda uses all the time: provisioned concurrency and alarms."""

from dataclasses import replace
from decimal import Decimal

from core.config.model import Chat
from core.costs.bill import Usage
from core.discovery import agents_have_an_api
from core.resolved import ResolvedFleet
from core.units import MIB_A_GIB

# For each function: errors, throttles and duration. For each state machine: failures and timeouts.
# For each REST API: server errors. For each agent that people chat with: lost messages.
_FUNCTION_METRICS, _MACHINE_METRICS, _API_METRICS, _CHAT_METRICS = 3, 2, 1, 1


def usage(fleet: ResolvedFleet, shared: Usage) -> Usage:
    """Add what Lambda bills without traffic to what every target uses."""
    config = fleet.config
    loads = [load for _, load in config.workloads()]
    machines = len(loads) - len(fleet.workloads)
    checks = 1 if config.gateway.auth else 0
    chats = sum(load.chat is Chat.WEBSOCKET and load.expose for load in config.agents.values())
    apis = 2 if agents_have_an_api(config) and config.servers else 1
    warm = sum(
        each.config.concurrency.provisioned * each.memory_mib for each in fleet.workloads.values()
    )
    return replace(
        shared,
        warm_gb=Decimal(warm) / MIB_A_GIB,
        alarms=shared.alarms
        + (len(loads) + checks) * _FUNCTION_METRICS
        + machines * _MACHINE_METRICS
        + chats * _CHAT_METRICS
        + apis * _API_METRICS,
    )
