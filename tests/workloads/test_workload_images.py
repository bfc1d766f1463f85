"""The images: their Dockerfiles, their pins, and the example fleet."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.workloads.support import (
    DEADLINE_SECONDS,
    NAMES,
    ROOT,
    SERVERS,
    WORKLOADS,
    final_stage,
    image_environment,
    image_health_command,
    instructions,
)

MODULE = {"adopter": "server", "assistant": "agent", "clock": "server", "notes": "server"}
FUNCTIONS = "functions"
BUILDS = (*NAMES, FUNCTIONS)


def pins(name: str) -> dict[str, Requirement]:
    lines = (WORKLOADS / name / "requirements.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def needs(requirement: Requirement) -> list[Requirement]:
    """What a package needs on the images' Python, with the extras that were asked for."""
    python = {"python_version": "3.14", "python_full_version": "3.14.0"}
    needed = [Requirement(line) for line in distribution(requirement.name).requires or []]
    return [
        need
        for need in needed
        if need.marker is None
        or any(
            need.marker.evaluate({**python, "extra": extra}) for extra in {"", *requirement.extras}
        )
    ]


def bases(name: str) -> list[str]:
    """The image that each stage is built from, with the build's own arguments in it."""
    given = dict(rest.split("=", 1) for word, rest in instructions(name) if word == "ARG")
    named = [rest.split()[0] for word, rest in instructions(name) if word == "FROM"]
    return [given[image[2:-1]] if image.startswith("${") else image for image in named]


def hadolint(dockerfile: Path) -> list[dict[str, Any]]:
    """The findings of the linter of any level."""
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-fail", "--format", "json"]
    ended = subprocess.run(
        [*command, "--config", os.devnull, str(dockerfile)],
        capture_output=True,
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    return json.loads(ended.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_the_image_runs_its_module_as_an_unprivileged_numeric_user(name: str) -> None:
    stage = final_stage(name)
    command = ["python", "-m", "common.run", f"{name}.{MODULE[name]}"]
    assert json.loads(stage["ENTRYPOINT"][-1]) == command
    assert stage["USER"] == ["10001:10001"]
    assert stage["WORKDIR"] == ["/app"]
    assert stage["EXPOSE"] == ["8080"]
    assert "CMD" not in stage


@pytest.mark.parametrize("name", NAMES)
def test_the_image_checks_its_own_health_without_a_shell(name: str) -> None:
    assert image_health_command(name) == ["python", "/app/common/healthcheck.py"]


@pytest.mark.parametrize("name", NAMES)
def test_the_image_s_volume_for_temporary_files_lets_its_user_write(name: str) -> None:
    stage = list(final_stage(name))
    assert final_stage(name)["VOLUME"] == ['["/tmp"]']
    assert final_stage(name)["RUN"][0].endswith("chmod 1777 /tmp")
    assert stage.index("RUN") < stage.index("VOLUME") < stage.index("USER")


@pytest.mark.parametrize("name", ["assistant", "clock", "notes"])
def test_the_example_fleet_builds_and_checks_the_image_as_its_dockerfile_means_it(
    name: str,
) -> None:
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    load = {**config["mcp-platform:servers"], **config["mcp-platform:agents"]}[name]
    assert load["image"] == {
        "context": f"workloads/{name}",
        "additional_contexts": {"common": "workloads/common"},
    }
    assert load["health_command"] == image_health_command(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_ready_for_lambda(name: str) -> None:
    stage = final_stage(name)
    assert "--from=adapter /lambda-adapter /opt/extensions/lambda-adapter" in stage["COPY"]
    assert bases(name)[1].startswith("public.ecr.aws/awsguru/aws-lambda-adapter:1.0.0@")
    env = image_environment(name)
    assert env["AWS_LWA_READINESS_CHECK_PATH"] == "/health"
    assert env["AWS_LWA_READINESS_CHECK_HEALTHY_STATUS"] == "200"
    assert env["AWS_LWA_INVOKE_MODE"] == "response_stream"
    assert env["PORT"] == "8080"


@pytest.mark.parametrize("name", NAMES)
def test_every_image_of_a_workload_is_built_from_three_images_by_digest(name: str) -> None:
    assert len(bases(name)) == 3
    for image in bases(name):
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)
    assert bases(name)[0] == bases(name)[2]


def test_all_images_of_workloads_are_built_from_the_same_ones() -> None:
    assert len({tuple(bases(name)) for name in NAMES}) == 1


def test_the_image_of_the_functions_is_built_from_one_tag() -> None:
    assert bases(FUNCTIONS) == ["public.ecr.aws/lambda/python:3.14"] * 2


@pytest.mark.parametrize("name", BUILDS)
def test_the_linter_finds_nothing_in_the_dockerfile(name: str) -> None:
    assert hadolint(WORKLOADS / name / "Dockerfile") == []


def test_the_linter_finds_something_in_a_bad_dockerfile(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp && pip install requests\n")
    found = {finding["code"] for finding in hadolint(bad)}
    assert {"DL3007", "DL3003", "DL3013"} <= found


@pytest.mark.parametrize("name", BUILDS)
def test_only_code_and_requirements_reach_the_build(name: str) -> None:
    ignored = (WORKLOADS / name / ".dockerignore").read_text().split()
    assert ignored == ["*", "!*.py", "!requirements.txt"]
    assert (WORKLOADS / "common" / ".dockerignore").read_text().split() == ["*", "!*.py"]


@pytest.mark.parametrize("name", NAMES)
def test_the_image_holds_its_code_the_common_code_its_packages_and_the_web_adapter(
    name: str,
) -> None:
    copied = [rest for word, rest in instructions(name) if word == "COPY"]
    assert copied == [
        "requirements.txt ./",
        f"*.py /app/{name}/",
        "--from=common *.py /app/common/",
        "--from=adapter /lambda-adapter /opt/extensions/lambda-adapter",
        "--from=build /venv /venv",
        "--from=build /app /app",
    ]


@pytest.mark.parametrize("name", BUILDS)
def test_every_package_and_what_it_needs_is_pinned_to_the_version_tested_here(name: str) -> None:
    pinned = pins(name)
    for package, requirement in pinned.items():
        assert str(requirement.specifier) == f"=={distribution(package).version}"
    needed = {
        canonicalize_name(need.name)
        for requirement in pinned.values()
        for need in needs(requirement)
    }
    assert needed <= set(pinned)


@pytest.mark.parametrize("name", BUILDS)
def test_every_package_that_the_code_imports_is_pinned_as_its_own(name: str) -> None:
    text = (WORKLOADS / name / "requirements.txt").read_text()
    own = {Requirement(line).name for line in text.partition("\n\n")[0].splitlines()[1:]}
    code = "\n".join(
        path.read_text() for owner in (name, "common") for path in (WORKLOADS / owner).glob("*.py")
    )
    imported = set(re.findall(r"^\s*(?:from|import) ([a-z]\w*)", code, re.MULTILINE))
    packages = {
        "anyio",
        "botocore",
        "httpx2",
        "jwt",
        "mcp",
        "mcp_types",
        "pydantic",
        "starlette",
        "uvicorn",
    }
    names = {"jwt": "pyjwt", "mcp_types": "mcp-types"}
    assert {names.get(module, module) for module in imported & packages} <= own


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_s_image_can_send_its_traces_and_metrics(name: str) -> None:
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= set(pins(name))


def test_the_pins_of_all_images_agree() -> None:
    versions: dict[str, set[str]] = {}
    for name in BUILDS:
        for package, requirement in pins(name).items():
            versions.setdefault(package, set()).add(str(requirement.specifier))
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


def test_the_platform_s_functions_lie_where_lambda_s_runtime_looks_for_their_handlers() -> None:
    copied = [rest for word, rest in instructions(FUNCTIONS) if word == "COPY"]
    assert copied == [
        "requirements.txt ./",
        "*.py /app/",
        "--from=common *.py /app/common/",
        "--from=build /app /var/task",
    ]
    stage = final_stage(FUNCTIONS)
    assert "ENTRYPOINT" not in stage  # the base image's is the runtime
    assert stage["CMD"] == ['["authorizer.handle"]']
    assert stage["USER"] == ["10001:10001"]


@pytest.mark.parametrize("handler", ["authorizer.handle", "tools.handle"])
def test_each_handler_is_found_beside_the_common_code(handler: str) -> None:
    module, function = handler.split(".")
    ended = subprocess.run(
        [sys.executable, "-c", f"import {module}; print(callable({module}.{function}))"],
        cwd=WORKLOADS / FUNCTIONS,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(WORKLOADS)},
        capture_output=True,
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.stdout == b"True\n"


def test_no_module_of_the_functions_hides_a_package_or_the_standard_library() -> None:
    """The modules are at the root of the image, with their packages."""
    modules = {path.stem for path in (WORKLOADS / FUNCTIONS).glob("*.py")} - {"__init__"}
    assert modules == {"authorizer", "tools"}
    assert not modules & (set(packages_distributions()) | sys.stdlib_module_names)
