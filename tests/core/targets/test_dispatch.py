from pathlib import Path

import pytest

from core.config.enums import Target
from tests.core.configurations import SMALLEST, configuration


@pytest.mark.parametrize("target", list(Target))
def test_the_smallest_fleet_fits_every_target(root: Path, target: Target):
    assert not configuration(SMALLEST | {"target": target.value}).faults(root)
