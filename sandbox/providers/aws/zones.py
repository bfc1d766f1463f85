"""The zones of the sandbox's account, by zones.yaml, and the answer to getAvailabilityZones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

_DEFAULT = {"a": "az1", "b": "az2", "c": "az3"}


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A zone of a region.

    Attributes:
        name: its name in this account.
        id: its id, the same in every account.
        type: availability-zone or local-zone.
        opt_in: opt-in-not-required or opted-in.
        region: the region.
    """

    name: str
    id: str
    type: str
    opt_in: str
    region: str

    @property
    def filters(self) -> Mapping[str, str]:
        """Its values for the filters of DescribeAvailabilityZones, by their names."""
        return {
            "opt-in-status": self.opt_in,
            "zone-type": self.type,
            "zone-name": self.name,
            "zone-id": self.id,
            "region-name": self.region,
            "state": "available",
        }


@cache
def _table() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    text = Path(__file__).with_name("zones.yaml").read_text(encoding="utf-8")
    return cast(
        "Mapping[str, Mapping[str, Mapping[str, str]]]",
        yaml.load(text, Loader=yaml.CSafeLoader),
    )


def zones(region: str) -> list[Zone]:
    """The availability zones of a region."""
    letters = _table()["regions"].get(region, _DEFAULT)
    return [
        Zone(
            name=f"{region}{letter}",
            id=f"{_short(region)}-{number}",
            type="availability-zone",
            opt_in="opt-in-not-required",
            region=region,
        )
        for letter, number in letters.items()
    ]


def _local_zones(region: str) -> list[Zone]:
    found = _table()["local"].get(region, {})
    return [
        Zone(name=name, id=id_, type="local-zone", opt_in="opted-in", region=region)
        for name, id_ in found.items()
    ]


def zone_id(name: str) -> str:
    """The id of a zone, or an empty string if no region of the sandbox has it."""
    region = name.rstrip("abcdefghijklmnopqrstuvwxyz")
    local = [zone for each in _table()["local"] for zone in _local_zones(each)]
    return next((zone.id for zone in [*zones(region), *local] if zone.name == name), "")


def describe(region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to getAvailabilityZones: every zone that the account has opted in to."""
    filters = cast("Sequence[Mapping[str, Any]]", arguments.get("filters") or ())
    found = sorted(
        (
            zone
            for zone in [*zones(region), *_local_zones(region)]
            if all(zone.filters.get(each["name"]) in each["values"] for each in filters)
            and zone.id not in (arguments.get("excludeZoneIds") or ())
            and zone.name not in (arguments.get("excludeNames") or ())
        ),
        key=lambda zone: zone.name,
    )
    return {
        **arguments,
        "id": region,
        "region": region,
        "names": [zone.name for zone in found],
        "zoneIds": [zone.id for zone in found],
        "groupNames": [region],
    }


def _short(region: str) -> str:
    """The short form of a region's name in the ids of its zones: us-east-1 is use1."""
    area, *middle = region.split("-")
    return area + "".join(part[:1] for part in middle)
