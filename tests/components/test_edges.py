"""Numbers at the limits of the configuration, validated against the AWS APIs."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

import pytest

from core.config.model import Fleet
from tests.components.fleets import EVERY_FLEET
from tests.components.recording import ROOT, configuration, run
from tests.components.test_api_models import refused
from tests.core.configurations import Configuration, changed

Keys = tuple[str, ...]
SMALLEST, LARGEST = 0, 2**31 - 1


@pytest.mark.parametrize("far", [SMALLEST, LARGEST])
@pytest.mark.parametrize("name", ["full", "lambda full", "eks managed nodes"])
def test_the_calls_take_every_number_that_the_configuration_allows(name: str, far: int):
    fleet = with_numbers_at_their_edge(name, far)
    assert refused(run(fleet).resources.values(), fleet["tags"]) == set()


def test_the_edges_are_those_of_the_configuration():
    smallest = numbers(with_numbers_at_their_edge("lambda full", SMALLEST))
    largest = numbers(with_numbers_at_their_edge("lambda full", LARGEST))
    clock, firewall = ("servers", "clock"), ("gateway", "firewall", "requests_per_five_minutes")
    assert (smallest[firewall], largest[firewall]) == (10, 2_000_000_000)
    assert (smallest[*clock, "memory"], largest[*clock, "memory"]) == (1, 10_240)
    assert (smallest[*clock, "replicas", "min"], largest[*clock, "replicas", "min"]) == (1, 1000)


@cache
def with_numbers_at_their_edge(name: str, far: int) -> dict[str, Any]:
    """A test fleet with each number as near to `far` as the configuration allows.

    A number can limit another, such as `replicas.max` and `replicas.min`. So all are set twice.
    """
    fleet = EVERY_FLEET[name]
    for path in 2 * [*numbers(fleet)]:
        fleet = moved(fleet, path, far)
    return fleet


def numbers(fleet: dict[str, Any]) -> dict[Keys, int]:
    """The numbers of a fleet, including defaults, by path."""
    return dict(_numbers(Fleet.model_validate(fleet).model_dump(mode="json"), ()))


def _numbers(section: Mapping[str, Any], path: Keys) -> Iterator[tuple[Keys, int]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _numbers(cast("dict[str, Any]", value), (*path, key))
        elif isinstance(value, int) and not isinstance(value, bool):
            yield (*path, key), value


def moved(fleet: dict[str, Any], path: Keys, far: int) -> dict[str, Any]:
    """A fleet with one number as near to `far` as the configuration allows."""
    farthest = changed(fleet, *path, value=far)
    if is_allowed(farthest):
        return farthest
    near = numbers(fleet)[path]
    while abs(far - near) > 1:
        middle = (near + far) // 2
        if is_allowed(changed(fleet, *path, value=middle)):
            near = middle
        else:
            far = middle
    return changed(fleet, *path, value=near)


def is_allowed(fleet: dict[str, Any]) -> bool:
    """Whether the configuration allows a fleet."""
    bag, encrypted = configuration(fleet)
    return not Configuration(bag, frozenset(encrypted)).faults(ROOT)
