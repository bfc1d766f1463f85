"""The base class of the components."""

from collections.abc import Callable

import pulumi
import pulumi_random as random
import pytest

from components.component import Component
from tests.components.recording import REGION, Recording, record


class _Parent(Component):
    first: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("tests:index:Parent", name, opts)
        self.other = pulumi.Output.from_input("not an output of the component")
        self.first = random.RandomPassword(f"{name}-child", length=8, opts=self.child_opts).result
        self._finish()

    def _finish(self) -> None:
        self.register()


class _Derived(_Parent):
    second: "pulumi.Output[str]"
    third: str | None

    def _finish(self) -> None:
        self.second = pulumi.Output.from_input("second")
        self.third = "third"
        self.register()


class _Incomplete(_Parent):
    second: pulumi.Output[str]
    third: pulumi.Output[str]


class _WithoutOutputs(Component):
    def __init__(self) -> None:
        super().__init__("tests:index:Parent", "none")
        self.register()


def _recorded(program: Callable[[], object]) -> Recording:
    return record(program, configuration={"aws:region": REGION}, encrypted=[])


def _outputs(recording: Recording, name: str) -> dict[str, object]:
    return recording.outputs[_urn(recording, name)]


def _urn(recording: Recording, name: str) -> str:
    (urn,) = (made.urn for made in recording.resources.values() if made.name == name)
    return urn


def test_a_component_registers_its_annotated_outputs_and_no_other():
    recording = _recorded(lambda: _Parent("parent"))
    assert _outputs(recording, "parent").keys() == {"first"}


def test_a_subclass_also_registers_the_outputs_of_its_base():
    outputs = _outputs(_recorded(lambda: _Derived("derived")), "derived")
    assert outputs.keys() == {"first", "second", "third"}
    assert (outputs["second"], outputs["third"]) == ("second", "third")


def test_a_component_without_outputs_registers_that_it_is_complete():
    assert _outputs(_recorded(_WithoutOutputs), "none") == {}


def test_an_output_that_is_not_set_is_an_error_with_its_name():
    with pytest.raises(AttributeError, match=r"^_Incomplete does not set its outputs: second, thi"):
        _recorded(lambda: _Incomplete("incomplete"))


def test_the_component_gets_the_options_of_its_caller_and_its_children_do_not():
    def program() -> None:
        owner = _Parent("owner")
        needed = random.RandomPassword("needed", length=8)
        opts = pulumi.ResourceOptions(
            parent=owner, depends_on=[needed], aliases=[pulumi.Alias(name="old")], protect=True
        )
        _Parent("parent", opts)

    recording = _recorded(program)
    parent = recording.resources[_urn(recording, "parent")]
    assert (parent.parent, parent.aliases) == (_urn(recording, "owner"), ["old"])
    assert (parent.dependencies, parent.protect) == ([_urn(recording, "needed")], True)
    (child,) = recording.children(parent)
    assert (child.name, child.dependencies, child.aliases) == ("parent-child", [], [])
