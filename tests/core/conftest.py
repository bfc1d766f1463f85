from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _offline(socket_disabled: None):
    """Nothing in core may open a socket."""


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's root with three images and a folder that they share."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("assistant", "clock", "notes"):
        (folder / "workloads" / name).mkdir(parents=True)
        (folder / "workloads" / name / "Dockerfile").touch()
    (folder / "workloads" / "common").mkdir()
    (folder / "outside.Dockerfile").touch()
    return folder
