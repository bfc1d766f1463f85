import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.stack import Stack


def _stack(name: str) -> Stack:
    return Stack(project="mcp-platform", name=name, region="us-east-1", production=False)


def test_a_stack_has_a_label_a_path_and_a_namespace():
    stack = _stack("dev")
    assert stack.label == "mcp-platform-dev"
    assert stack.path == "/mcp-platform/dev"
    assert stack.namespace == "mcp-platform-dev.internal"


@pytest.mark.parametrize(
    ("name", "begin"), [("Dev", "mcp-platform-dev-"), ("eu.west_1", "mcp-platform-eu-west-1-")]
)
def test_a_label_has_the_letters_of_a_dns_name(name: str, begin: str):
    assert re.fullmatch(f"{begin}[0-9a-f]{{7}}", _stack(name).label)


def test_stacks_whose_names_differ_only_in_what_a_label_cannot_say_have_different_labels():
    names = ["eu-1", "eu_1", "eu.1", "EU-1", "eu--1", "eu-1-"]
    assert len({_stack(name).label for name in names}) == len(names)


# What Pulumi takes as a stack's name: letters, digits, hyphens, underscores and periods, up to 100.
_NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,100}", fullmatch=True)


@given(_NAMES)
def test_every_stack_has_a_dns_label_and_a_path_of_its_own(name: str):
    stack = _stack(name)
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", stack.label)
    assert stack.namespace == f"{stack.label}.internal"
    assert stack.path == f"/mcp-platform/{name}"


def test_stacks_whose_long_names_begin_alike_have_different_labels():
    one, other = _stack("s" * 99 + "a"), _stack("s" * 99 + "b")
    assert len(one.label) == len(other.label) == 63
    assert one.label != other.label
