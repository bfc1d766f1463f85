"""Runs a state machine's definition without AWS and without waiting."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.serve.step_functions import interpreter


@dataclass
class Execution(interpreter.Execution):
    """How an execution went, and the longest wait before each further attempt, in seconds."""

    waits: list[float] = field(default_factory=list[float])


def run(
    definition: Mapping[str, Any], given: object, tasks: Mapping[str, Callable[[Any], Any]]
) -> Execution:
    """Runs an execution to its end, with tasks that are plain functions."""
    execution = Execution()

    def task(do: Callable[[Any], Any]) -> interpreter.Task:
        async def done(arguments: object) -> object:
            return do(arguments)

        return done

    async def noted(seconds: float) -> None:
        execution.waits.append(seconds)

    made = {resource: task(do) for resource, do in tasks.items()}
    asyncio.run(interpreter.run(definition, given, made, execution=execution, wait=noted))
    return execution
