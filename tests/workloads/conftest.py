from collections.abc import Iterator

import pytest
import pytest_socket


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_sockets_but_where_allowed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Only a test marked `allow_hosts` has sockets; the event loop needs its Unix pair."""
    if request.node.get_closest_marker("allow_hosts") is None:
        pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
