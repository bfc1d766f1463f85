"""A separate cloud for every test, and the aws provider for it, without an engine."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import Call, Checked, Context, Difference, Made
from sandbox.providers.aws.provider import PROVIDER

# A shared machine may be slow; the result of a property does not depend on the time.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# A shell starts background jobs with SIGINT ignored, and child processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

SEED = b"0123456789abcdef"


@dataclass
class Account:
    """The aws provider of one cloud; each method is one of the engine's calls."""

    cloud: Cloud
    config: dict[str, Any] = field(default_factory=lambda: {"region": "us-east-1"})
    warnings: list[str] = field(default_factory=list[str])

    @property
    def context(self) -> Context:
        return Context(
            cloud=self.cloud,
            config=self.config,
            warn=lambda _, text: self.warnings.append(text),
        )

    def check(
        self, type_: str, inputs: Mapping[str, Any], name: str = "it", **more: Any
    ) -> Checked:
        call: dict[str, Any] = {"seed": SEED, **more}
        return PROVIDER.check(
            self.context, Call(type=type_, urn=urn(type_, name), name=name, inputs=inputs, **call)
        )

    def reasons(self, type_: str, inputs: Mapping[str, Any], name: str = "it") -> list[str]:
        return [failure.reason for failure in self.check(type_, inputs, name).failures]

    def make(self, type_: str, logical: str = "it", /, **inputs: Any) -> Made:
        checked = self.check(type_, inputs, logical)
        assert [failure.reason for failure in checked.failures] == []
        call = Call(type=type_, urn=urn(type_, logical), name=logical, inputs=checked.inputs)
        made = PROVIDER.create(self.context, call)
        return Made(id=made.id, properties=made.properties, inputs=checked.inputs)

    def foresee(self, type_: str, logical: str = "it", /, **inputs: Any) -> Mapping[str, Any]:
        checked = self.check(type_, inputs, logical)
        call = Call(
            type=type_, urn=urn(type_, logical), name=logical, inputs=checked.inputs, preview=True
        )
        return PROVIDER.create(self.context, call).properties

    def _again(self, type_: str, made: Made, inputs: Mapping[str, Any], preview: bool) -> Call:
        return Call(
            type=type_,
            urn=urn(type_, "it"),
            name="it",
            id=made.id,
            inputs={**self.check(type_, inputs, old_inputs=made.inputs).inputs},
            old_inputs=made.inputs,
            properties=made.properties,
            preview=preview,
        )

    def diff(self, type_: str, made: Made, /, **inputs: Any) -> Difference:
        return PROVIDER.diff(self.context, self._again(type_, made, inputs, preview=False))

    def update(
        self, type_: str, made: Made, /, *, preview: bool = False, **inputs: Any
    ) -> Mapping[str, Any]:
        return PROVIDER.update(self.context, self._again(type_, made, inputs, preview))

    def read(self, type_: str, made: Made) -> Made | None:
        call = Call(
            type=type_,
            urn=urn(type_, "it"),
            name="it",
            id=made.id,
            old_inputs=made.inputs,
            properties=made.properties,
        )
        return PROVIDER.read(self.context, call)

    def delete(self, type_: str, made: Made) -> None:
        call = Call(
            type=type_,
            urn=urn(type_, "it"),
            name="it",
            id=made.id,
            old_inputs=made.inputs,
            properties=made.properties,
        )
        PROVIDER.delete(self.context, call)

    def invoke(self, token: str, /, **arguments: Any) -> Mapping[str, Any]:
        return PROVIDER.invoke(self.context, token, arguments)


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:dev::test::{type_}::{name}"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path / "cloud.db")
    yield made
    made.close()


@pytest.fixture
def account(cloud: Cloud) -> Account:
    return Account(cloud)
