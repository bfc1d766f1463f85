"""Only what the chosen target needs is imported."""

import json
import re
import subprocess
import sys
from collections.abc import Collection

import pytest

from tests.components.recording import ROOT

_MODULES_OF_THE_PROGRAM = """
import json, sys
from tests.components.fleets import {fleet}
from tests.components.recording import run
run({fleet})
print(json.dumps(sorted(sys.modules)))
"""
_MODULES_OF_CORE = """
import importlib, json, pkgutil, sys
import core
for module in pkgutil.walk_packages(core.__path__, "core."):
    importlib.import_module(module.name)
print(json.dumps(sorted(sys.modules)))
"""


def _modules(program: str) -> list[str]:
    """The modules that are loaded once the program has run in a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _packages(modules: Collection[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


_ALWAYS = {"pulumi", "pulumi_aws", "pulumi_awsx", "pulumi_docker_build", "pulumi_random"}
_OF_LAMBDA = {"apigateway", "apigatewayv2", "lambda_", "sfn"}


@pytest.mark.parametrize(
    ("fleet", "own", "further", "foreign"),
    [
        ("FULL", "ecs", set[str](), {*_OF_LAMBDA, "eks"}),
        ("LAMBDA_FULL", "aws_lambda", set[str](), {"ecs", "eks", "lb"}),
        ("EKS_FULL", "eks", {"pulumi_eks", "pulumi_kubernetes"}, {*_OF_LAMBDA, "ecs"}),
    ],
)
def test_a_fleet_imports_its_own_target_and_nothing_of_kubernetes_unless_that_is_it(
    fleet: str, own: str, further: set[str], foreign: set[str]
):
    modules = _modules(_MODULES_OF_THE_PROGRAM.format(fleet=fleet))
    packages = {package for package in _packages(modules) if package.startswith("pulumi")}
    assert packages == _ALWAYS | further
    targets = {module for module in modules if module.startswith("components.targets.")}
    assert {module.split(".")[2] for module in targets} == {own}
    # The SDK's own modules are there from the start, but empty until something is taken out.
    loaded = {name.split(".")[1] for name in modules if re.match(r"pulumi_aws\.\w+\.", name)}
    assert "ecr" in loaded
    assert loaded & foreign == set()


def test_core_imports_no_pulumi():
    packages = _packages(_modules(_MODULES_OF_CORE))
    assert "core" in packages
    assert {package for package in packages if package.startswith("pulumi")} == set()
    assert {"components", "sandbox", "grpc"} & packages == set()
