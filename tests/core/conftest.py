import pytest


@pytest.fixture(autouse=True)
def _offline(socket_disabled: None):
    """Nothing in core may open a socket."""
