import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.errors import ConfigurationError, Fault, dotted, rm_command, set_command, show
from tests.core.configurations import steps


def test_one_error_is_rendered_with_place_value_choice_and_command():
    fault = Fault(
        path=("servers", "clock", "cpu"),
        got="300",
        allowed="one of 256 and 512",
        fix=set_command(("servers", "clock", "cpu"), 512),
    )
    assert str(ConfigurationError([fault])) == (
        "The configuration has 1 error. No resources were changed.\n\n  "
        "mcp-platform:servers.clock.cpu\n    got:     300\n    allowed: one of 256 and "
        "512\n    fix:     pulumi config set --path 'mcp-platform:servers.clock.cpu' 512"
    )


def test_several_errors_are_counted_kept_in_order_and_separated():
    first = Fault(path=("tags",), got="46 tags", allowed="at most 45 tags")
    second = Fault(
        path=("aws:region",), got="no value", allowed="a region", fix="pulumi config set …"
    )
    error = ConfigurationError([first, second])
    assert error.faults == (first, second)
    assert str(error) == (
        "The configuration has 2 errors. No resources were changed.\n\n  "
        "mcp-platform:tags\n    got:     46 tags\n    allowed: at most 45 tags\n\n  "
        "aws:region\n    got:     no value\n    allowed: a region\n    fix:     pulumi "
        "config set …"
    )


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (("target",), "mcp-platform:target"),
        (("aws:region",), "aws:region"),
        (("servers", "clock", "cpu"), "mcp-platform:servers.clock.cpu"),
        (("agents", "a", "uses", 0), "mcp-platform:agents.a.uses[0]"),
        (("tags", "1"), "mcp-platform:tags.1"),
        (("tags", "cost.center"), 'mcp-platform:tags["cost.center"]'),
        (("tags", 'a "b"'), 'mcp-platform:tags["a \\"b\\""]'),
        (("tags", ""), 'mcp-platform:tags[""]'),
    ],
)
def test_a_path_is_written_as_pulumi_reads_it(path: tuple[str | int, ...], written: str):
    assert dotted(path) == written
    assert steps(written) == [steps(written)[0], *path[1:]]


# A path of Pulumi cannot contain a backslash before a closing quote.
_PARTS = st.text().filter(lambda part: "\\" not in part) | st.integers(0, 99)


@given(st.lists(_PARTS), st.text() | st.integers() | st.booleans())
def test_a_command_reaches_the_shell_in_the_words_that_were_meant(
    parts: list[str | int], value: str | int
):
    path = ("tags", *parts)
    text = value if isinstance(value, str) else str(value).lower()
    words = shlex.split(set_command(path, value))
    end = ["--"] if text.startswith("-") else []
    assert words == ["pulumi", "config", "set", "--path", dotted(path), *end, text]
    assert steps(words[4]) == ["mcp-platform:tags", *parts]
    option = ["--path"] if parts else []
    assert shlex.split(rm_command(path)) == ["pulumi", "config", "rm", *option, dotted(path)]


def test_a_structured_value_is_set_by_one_command_for_each_single_value():
    assert set_command(("gateway", "auth"), {"issuer": "https://a", "scopes": ["x", "y z"]}) == (
        "pulumi config set --path 'mcp-platform:gateway.auth.issuer' https://a && "
        "pulumi config set --path 'mcp-platform:gateway.auth.scopes[0]' x && "
        "pulumi config set --path 'mcp-platform:gateway.auth.scopes[1]' 'y z'"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ecs", "ecs"),
        ("", '""'),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        ({"a": [1]}, '{"a": [1]}'),
        ("two\nlines", '"two\\nlines"'),
        ("\ud800", '"\\ud800"'),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 77 + "..."),
    ],
)
def test_a_value_is_shown_on_one_line_as_one_would_write_it(value: object, shown: str):
    assert show(value) == shown
