from collections.abc import Iterator

import pytest
import pytest_socket


@pytest.fixture(autouse=True)
def _offline() -> Iterator[None]:
    """Nothing in core may open a socket; the event loop of `states.run` needs its Unix pair."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
