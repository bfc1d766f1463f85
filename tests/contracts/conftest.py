# The contracts run the same program as the tests of its components.
from tests.components.conftest import pytest_configure

__all__ = ["pytest_configure"]
