"""The profile: the facts about the program that the sandbox runs."""

import re
from pathlib import Path

import pytest

from sandbox import profile


def test_the_sandboxs_own_profile_has_every_fact():
    own = profile.load(Path(profile.__file__).with_name("profile.yaml"))
    assert own.target_key == "mcp-platform:target"
    assert own.token_variables.keys() == {"issuer", "audience", "keys"}
    assert re.search(own.discovery_parameter, "/fleet/dev/discovery-2")


def test_facts_missing_in_another_profile_have_the_sandboxs_defaults(tmp_path: Path):
    file = tmp_path / "profile.yaml"
    file.write_text("port: 3000\n")
    other = profile.load(file)
    assert (other.port, other.function_alias) == (3000, "live")


def test_an_unknown_fact_is_refused(tmp_path: Path):
    file = tmp_path / "profile.yaml"
    file.write_text("ports: 3000\n")
    with pytest.raises(ValueError, match=r"profile\.yaml: .*ports"):
        profile.load(file)
