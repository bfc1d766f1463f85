"""AWS's API models, read as the plain JSON files that botocore ships.

Importing botocore and building its own objects costs more than reading a file; nothing here needs a
session, credentials or the network.
"""

import gzip
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import cast

from sandbox.providers.aws.schemas import twin
from sandbox.values.wire import Json

_MODEL = "service-2.json.gz"


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package botocore is not installed")
    return Path(spec.origin).parent / "data"


@cache
def _load(service: str) -> Mapping[str, Json]:
    # A folder for each version of the API, named by its date.
    path = max((_folder() / service).glob(f"*/{_MODEL}"))
    return cast("Mapping[str, Json]", json.loads(gzip.decompress(path.read_bytes())))


@dataclass(frozen=True)
class Member:
    """A location in the input of a call: its shape and the path to it.

    Attributes:
        service: the service, by its name in botocore.
        name: name of the shape.
        path: the members that lead to it, from the call's input.
        inside: the shape and the member that hold it, such as ``IpRange.Description``; of an item
            of a list, those of the list and ``[]``.
    """

    service: str
    name: str
    path: tuple[str, ...] = ()
    inside: str = ""

    @cached_property
    def shape(self) -> Mapping[str, Json]:
        """The shape in the model: type, members, pattern, min, max, enum."""
        return _load(self.service)["shapes"][self.name]

    @property
    def kind(self) -> str:
        """The type of the shape: structure, list, map, string, integer and so on."""
        return self.shape["type"]

    @property
    def text(self) -> str:
        """The path as text."""
        return ".".join(self.path)

    def _at(self, reference: Mapping[str, Json], *path: str, inside: str = "") -> "Member":
        return Member(self.service, reference["shape"], (*self.path, *path), inside)

    def member(self, name: str) -> "Member | None":
        """The member of a structure with exactly this name."""
        reference = self.shape.get("members", {}).get(name)
        return self._at(reference, name, inside=f"{self.name}.{name}") if reference else None

    def twin(self, name: str, owner: str = "") -> "Member | None":
        """The member of a structure that matches a property of pulumi-aws: see `schemas.twin`."""
        found = twin(name, self.shape.get("members", {}), owner)
        return self.member(found) if found else None

    @property
    def item(self) -> "Member":
        """The members of a list."""
        return self._at(self.shape["member"], inside=f"{self.inside}[]")

    @property
    def key(self) -> "Member":
        """The keys of a map."""
        return self._at(self.shape["key"], "key")

    @property
    def value(self) -> "Member":
        """The values of a map."""
        return self._at(self.shape["value"], "value")

    def down(self, path: str) -> "Member":
        """The member at a path with slashes; the path goes through the items of lists.

        Raises:
            KeyError: there is no such member.
        """
        here = self
        for part in path.split("/") if path else ():
            while here.kind == "list":
                here = here.item
            found = here.member(part)
            if found is None:
                raise KeyError(f"{self.service}: {here.name} has no member {part}")
            here = found
        return here


@cache
def call(name: str) -> Member:
    """The input of a call, such as ``ec2.CreateSecurityGroup``.

    Raises:
        KeyError: the service has no such call.
    """
    service, _, operation = name.partition(".")
    return Member(service, _load(service)["operations"][operation]["input"]["shape"])
