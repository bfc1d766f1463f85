import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.aws import names
from core.aws.names import autoname_prefix, fit

# The characters that AWS takes, written down apart from the module: limit, pattern.
_AWS = {
    "target group": (names.TARGET_GROUP, r"(?!-)[A-Za-z0-9-]{1,32}(?<!-)"),
    "load balancer": (names.LOAD_BALANCER, r"(?!-)[A-Za-z0-9-]{1,32}(?<!-)"),
    "Cloud Map service": (
        names.CLOUD_MAP_SERVICE,
        r"[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?",
    ),
    "ECS service": (names.ECS_NAME, r"[A-Za-z0-9_-]{1,255}"),
    "Lambda function": (names.LAMBDA_FUNCTION, r"[a-zA-Z0-9_-]{1,64}"),
    "state machine": (names.STATE_MACHINE, r"[a-zA-Z0-9_-]{1,80}"),
    "dashboard": (names.DASHBOARD, r"[A-Za-z0-9_-]{1,255}"),
    "alarm": (names.ALARM, r"[ -~]{1,255}"),
}

_WORDS = st.text("abcxyz019-", min_size=1, max_size=600).filter(lambda name: name.strip("-"))
_LIMITS = st.sampled_from(sorted({limit for limit, _ in _AWS.values()}))


@pytest.mark.parametrize("kind", _AWS)
@given(name=_WORDS)
def test_every_kind_of_name_is_one_that_aws_takes(kind: str, name: str):
    limit, pattern = _AWS[kind]
    assert re.fullmatch(pattern, fit(name, limit))


@given(name=_WORDS, limit=_LIMITS)
def test_a_name_is_never_over_the_limit_and_always_the_same(name: str, limit: int):
    made = fit(name, limit)
    assert 1 <= len(made) <= limit
    assert made == fit(name, limit)


@given(name=_WORDS, limit=_LIMITS)
def test_what_was_made_fits_and_so_stays(name: str, limit: int):
    made = fit(name, limit)
    assert fit(made, limit) == made


@given(name=_WORDS, limit=_LIMITS)
def test_hyphens_are_never_doubled_nor_at_an_end(name: str, limit: int):
    made = fit(name, limit)
    assert "--" not in made
    assert made.strip("-") == made


@given(prefix=st.text("abc", min_size=40, max_size=80), tails=st.sets(st.text("xyz"), min_size=2))
def test_long_names_that_begin_alike_stay_different(prefix: str, tails: set[str]):
    assert len({fit(prefix + tail, 32) for tail in tails}) == len(tails)


@pytest.mark.parametrize("limit", [9, 32, 63, 64, 255, 256, 512])
def test_the_longest_name_that_fits_is_kept_and_the_next_is_hashed(limit: int):
    assert fit("a" * limit, limit) == "a" * limit
    hashed = fit("a" * (limit + 1), limit)
    assert re.fullmatch(rf"a{{{limit - 8}}}-[0-9a-f]{{7}}", hashed)


def test_a_valid_name_is_returned_unchanged():
    assert fit("mcp-platform-dev-clock", 32) == "mcp-platform-dev-clock"
    assert fit("/mcp-platform/dev/clock", 512) == "/mcp-platform/dev/clock"


def test_the_hash_of_a_name_never_changes():
    # Written down, because another hash would rename deployed resources.
    assert fit("mcp-platform-production-notes-server", 32) == "mcp-platform-production-cb21d96"


@pytest.mark.parametrize("name", ["a--b", "-a", "a-", "--a--b--"])
def test_a_name_with_misplaced_hyphens_is_corrected_and_differs_from_the_correct_one(name: str):
    fixed = fit(name, 32)
    assert re.fullmatch(r"a(-b)?-[0-9a-f]{7}", fixed)
    assert fixed != fit(re.sub("-{2,}", "-", name).strip("-"), 32)


@pytest.mark.parametrize("separator", ["-", ".", "_", "/"])
def test_a_cut_at_a_separator_leaves_none_before_the_hash(separator: str):
    name = "a" * 23 + separator + "b" * 20
    assert re.fullmatch(r"a{23}-[0-9a-f]{7}", fit(name, 32))


def test_a_name_cut_down_to_separators_is_its_hash():
    assert re.fullmatch(r"[0-9a-f]{7}", fit("/abcdefghi", 9))


def test_the_hash_fits_in_the_shortest_limit():
    assert re.fullmatch(r"a-[0-9a-f]{7}", fit("abcdefghij", 9))


@pytest.mark.parametrize("limit", [8, 1, 0, -1])
def test_a_limit_without_room_for_the_hash_is_refused(limit: int):
    with pytest.raises(ValueError, match=f"a limit of {limit} characters leaves no room"):
        fit("a", limit)


@pytest.mark.parametrize("name", ["", "-", "---"])
def test_a_name_of_nothing_is_refused(name: str):
    with pytest.raises(ValueError, match=f"the name '{name}' has no character other than hyphens"):
        fit(name, 32)


@given(name=_WORDS, limit=_LIMITS)
def test_a_logical_name_has_room_for_the_suffix_of_pulumi(name: str, limit: int):
    assert len(f"{autoname_prefix(name, limit)}-1a2b3c4") <= limit


def test_a_logical_name_is_kept_up_to_eight_characters_under_the_limit():
    assert autoname_prefix("a" * 24, names.TARGET_GROUP) == "a" * 24
    assert autoname_prefix("a" * 25, names.TARGET_GROUP) != "a" * 25


def test_a_logical_name_without_room_for_suffix_and_hash_is_refused():
    assert autoname_prefix("a", 17) == "a"
    with pytest.raises(ValueError, match="a limit of 8 characters leaves no room"):
        autoname_prefix("a", 16)
