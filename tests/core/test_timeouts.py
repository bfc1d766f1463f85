from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.timeouts import HEALTH, MAX_REQUEST_SECONDS, Chain, alb_idle_seconds, chain

_REQUESTS = st.integers(1, 3970)


def _assert_within_aws(made: Chain):
    assert 1 <= made.alb_idle_seconds <= 4000
    assert 60 <= made.alb_client_keep_alive_seconds <= 604_800
    assert 0 <= made.deregistration_seconds <= 3600
    assert 2 <= made.stop_seconds <= 120


@given(_REQUESTS)
def test_outer_timeouts_are_shorter_and_none_ends_before_the_request(longest: int):
    made = chain(longest)
    assert made.max_request_seconds == longest
    assert longest < made.alb_idle_seconds < made.server_keep_alive_seconds
    assert made.alb_client_keep_alive_seconds >= made.alb_idle_seconds
    assert made.server_grace_seconds < made.stop_seconds
    _assert_within_aws(made)


@given(_REQUESTS, _REQUESTS)
def test_a_longer_request_shortens_nothing(one: int, other: int):
    shorter, longer = chain(min(one, other)), chain(max(one, other))
    assert all(a <= b for a, b in zip(astuple(shorter), astuple(longer), strict=True))


@given(st.lists(_REQUESTS, min_size=1))
def test_the_idle_time_of_a_fleet_suits_each_of_its_workloads(requests: list[int]):
    idle = alb_idle_seconds(requests)
    assert idle == max(alb_idle_seconds([longest]) for longest in requests)
    for longest in requests:
        made = chain(longest, alb_idle=idle)
        assert made.alb_idle_seconds == idle
        assert made.server_keep_alive_seconds == idle + 5
        _assert_within_aws(made)


def test_the_shortest_request_has_this_chain():
    assert chain(1) == Chain(
        max_request_seconds=1,
        alb_idle_seconds=300,
        alb_client_keep_alive_seconds=3600,
        server_keep_alive_seconds=305,
        deregistration_seconds=31,
        stop_seconds=30,
        server_grace_seconds=25,
    )


def test_a_request_of_five_minutes_has_this_chain():
    assert chain(300) == Chain(
        max_request_seconds=300,
        alb_idle_seconds=330,
        alb_client_keep_alive_seconds=3600,
        server_keep_alive_seconds=335,
        deregistration_seconds=330,
        stop_seconds=120,
        server_grace_seconds=115,
    )


def test_the_longest_request_has_this_chain():
    assert chain(3970) == Chain(
        max_request_seconds=3970,
        alb_idle_seconds=4000,
        alb_client_keep_alive_seconds=4000,
        server_keep_alive_seconds=4005,
        deregistration_seconds=3600,
        stop_seconds=120,
        server_grace_seconds=115,
    )


@pytest.mark.parametrize(("longest", "idle"), [(1, 300), (270, 300), (271, 301), (3970, 4000)])
def test_the_idle_time_leaves_a_margin_and_is_five_minutes_at_least(longest: int, idle: int):
    assert alb_idle_seconds([longest]) == idle


def test_a_load_balancer_without_workloads_has_the_shortest_idle_time():
    assert alb_idle_seconds([]) == 300


@pytest.mark.parametrize(("longest", "delay"), [(1, 31), (3570, 3600), (3571, 3600)])
def test_deregistration_waits_for_the_longest_request_as_far_as_aws_goes(longest: int, delay: int):
    assert chain(longest).deregistration_seconds == delay


@pytest.mark.parametrize(("longest", "stop"), [(25, 30), (26, 31), (115, 120), (116, 120)])
def test_the_stop_time_covers_the_longest_request_as_far_as_fargate_goes(longest: int, stop: int):
    assert chain(longest).stop_seconds == stop


@pytest.mark.parametrize(
    ("longest", "stop"), [(1, 30), (25, 30), (26, 31), (116, 121), (3970, 3975)]
)
def test_if_the_target_has_no_maximum_the_stop_timeout_covers_every_request(
    longest: int, stop: int
):
    made = chain(longest, longest_stop=None)
    assert made.stop_seconds == stop
    assert made.server_grace_seconds == stop - 5


@pytest.mark.parametrize(("most", "stop"), [(29, 29), (30, 30), (304, 304), (305, 305), (306, 305)])
def test_the_stop_time_is_what_the_target_waits_at_most(most: int, stop: int):
    assert chain(300, longest_stop=most).stop_seconds == stop


@given(_REQUESTS)
def test_how_long_the_target_waits_changes_nothing_but_the_end(longest: int):
    short, long = chain(longest), chain(longest, longest_stop=None)
    end = {"stop_seconds": 0, "server_grace_seconds": 0}
    assert replace(short, **end) == replace(long, **end)
    assert short.stop_seconds == min(long.stop_seconds, 120)


@pytest.mark.parametrize(("longest", "grace"), [(115, 115), (116, 115)])
def test_a_direct_call_of_up_to_115_seconds_ends_before_its_server(longest: int, grace: int):
    assert chain(longest).server_grace_seconds == grace


@pytest.mark.parametrize(("longest", "delay"), [(3600, 3600), (3601, 3600)])
def test_the_load_balancer_waits_an_hour_at_most_for_a_request(longest: int, delay: int):
    assert chain(longest).deregistration_seconds == delay


@pytest.mark.parametrize("longest", [0, -1, 3971, 4000])
def test_a_request_that_no_load_balancer_can_wait_for_is_refused(longest: int):
    assert MAX_REQUEST_SECONDS == 3970
    message = (
        "^1 to 3970: the idle timeout of an Application Load Balancer is at most 4000 s, with a "
        "margin of 30 s$"
    )
    with pytest.raises(ValueError, match=message):
        chain(longest)
    with pytest.raises(ValueError, match=message):
        alb_idle_seconds([1, longest])


@pytest.mark.parametrize("idle", [329, 4001])
def test_an_idle_time_that_does_not_suit_the_request_is_refused(idle: int):
    with pytest.raises(
        ValueError,
        match=f"^an idle timeout of {idle} s is invalid for requests of 300 s; "
        "it must be 330 to 4000 s$",
    ):
        chain(300, alb_idle=idle)


@pytest.mark.parametrize("idle", [330, 4000])
def test_an_idle_time_at_either_edge_is_taken(idle: int):
    assert chain(300, alb_idle=idle).alb_idle_seconds == idle


def test_health_checks_are_within_what_target_groups_and_containers_take():
    assert 5 <= HEALTH.interval_seconds <= 300
    assert 2 <= HEALTH.timeout_seconds <= 60
    assert HEALTH.timeout_seconds < HEALTH.interval_seconds
    assert 2 <= HEALTH.failures <= 10
    assert 2 <= HEALTH.successes <= 10
    assert 0 <= HEALTH.start_seconds <= 300
