import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine may be slow; a property is true or not, however long it took to try.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A shell starts background jobs with SIGINT ignored, and child processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
