from pathlib import Path

import pytest

from tests.engine.sandbox_run import Sandbox, create


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The example fleet, deployed in a folder with a space in its name. Change copies only."""
    sandbox = create(tmp_path_factory.mktemp("engine") / "the example")
    sandbox.up()
    return sandbox


@pytest.fixture(scope="session")
def serverless(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The example fleet on Lambda, deployed once; change only copies."""
    sandbox = create(tmp_path_factory.mktemp("engine") / "serverless")
    sandbox.configure("target", "lambda")
    sandbox.up()
    return sandbox


@pytest.fixture(scope="session")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The example fleet on EKS, deployed once; change only copies."""
    sandbox = create(tmp_path_factory.mktemp("engine") / "clustered")
    sandbox.configure("target", "eks")
    sandbox.up()
    return sandbox


@pytest.fixture
def deployed(example: Sandbox, tmp_path: Path) -> Sandbox:
    """A copy of the deployed example fleet."""
    return example.copy(tmp_path / "deployed")


@pytest.fixture
def empty(tmp_path: Path) -> Sandbox:
    """A sandbox without a stack."""
    return create(tmp_path / "empty")
