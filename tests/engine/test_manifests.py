"""The manifests of the fullest fleet, validated against the schemas of Kubernetes.

The Kubernetes checks of Checkov also pass, except for `EXCEPTIONS`.
"""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from core.targets.eks.versions import NEWEST
from tests.engine.program_run import Elsewhere, copy_program, create_elsewhere
from tests.engine.sandbox_run import ROOT

pytestmark = pytest.mark.engine

PATH = "rendered/dev"

_VARIABLES = (
    "workloads read secrets from variables of the same names on every target; the Secret is filled "
    "by the CSI driver, and encrypted with the stack's key"
)
EXCEPTIONS = {
    ("CKV_K8S_35", "Deployment.mcp.clock"): _VARIABLES,
    ("CKV_K8S_35", "Deployment.records.notes"): _VARIABLES,
    ("CKV_K8S_38", "Deployment.mcp.assistant"): (
        "an agent asks the API for the discovery document and its servers, by name and no more"
    ),
}
"""The reason for each exception, by check and resource."""

CUSTOM = {
    "AuthorizationPolicy",
    "GitRepository",
    "Kustomization",
    "NodePool",
    "PeerAuthentication",
    "SecretProviderClass",
    "TargetGroupBinding",
}
"""Kinds without a schema in Kubernetes. The sandbox validates them on creation."""


@pytest.fixture(scope="module")
def fullest(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """Two namespaces, files, secrets, spare capacity and a mesh, rendered for a repository."""
    folder = tmp_path_factory.mktemp("manifests")
    sandbox = create_elsewhere(folder / "stack", copy_program(folder / "program"))
    sandbox.configure("target", "eks")
    sandbox.configure("mesh", "istio")
    sandbox.configure("teams.records", {"pods": 40})
    sandbox.configure("servers.notes.team", "records")
    sandbox.configure("servers.notes.spot", True)
    sandbox.configure(
        "gitops",
        {"engine": "flux", "repository": "https://github.com/example/fleet.git", "path": PATH},
    )
    sandbox.up()
    return sandbox


@pytest.fixture(scope="module")
def manifests(fullest: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all rendered and all applied objects, one per file."""
    folder = tmp_path_factory.mktemp("all")
    for path in (fullest.program / PATH).rglob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    applied = [
        stored
        for stored in fullest.cloud.list()
        if stored.provider.startswith("kubernetes")
        and not stored.type.startswith("kubernetes:helm")
    ]
    for number, stored in enumerate(applied):
        (folder / f"applied-{number}.yaml").write_text(yaml.safe_dump(dict(stored.inputs)))
    return folder


def _objects(folder: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in sorted(folder.iterdir())]


def _checkov(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(ROOT / "bin" / "checkov", "--directory", folder, "--framework", "kubernetes"),
            *("--output", "json", "--compact"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return json.loads(done.stdout)


def test_every_kind_that_a_fleet_has_is_among_what_is_checked(manifests: Path) -> None:
    kinds = Counter(each["kind"] for each in _objects(manifests))
    assert kinds["Deployment"] == 3
    assert kinds["Namespace"] >= 2
    assert kinds.keys() > CUSTOM


def test_every_object_is_valid_for_the_clusters_version(manifests: Path) -> None:
    for each in _objects(manifests):
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, NEWEST, strict=True)


@pytest.mark.parametrize(
    ("place", "value"),
    [(("spec", "replica"), 2), (("spec", "template", "spec", "containers"), [{"image": "x"}])],
)
def test_an_object_that_is_not_valid_is_found(
    manifests: Path, place: tuple[str, ...], value: object
) -> None:
    deployment = next(each for each in _objects(manifests) if each["kind"] == "Deployment")
    *outer, last = place
    inside: dict[str, Any] = deployment
    for key in outer:
        inside = inside[key]
    inside[last] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_checkov_finds_nothing_but_the_exceptions_and_all_of_those(manifests: Path) -> None:
    report = _checkov(manifests)
    found = {
        (each["check_id"], each["resource"]): each["check_name"]
        for each in report["results"]["failed_checks"]
    }
    assert found.keys() == EXCEPTIONS.keys(), found
    assert report["results"]["parsing_errors"] == []
    assert report["summary"]["resource_count"] >= len(_objects(manifests))


def test_checkov_finds_a_misconfiguration(manifests: Path, tmp_path: Path) -> None:
    deployment = next(each for each in _objects(manifests) if each["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["privileged"] = True
    container["image"] = "example.com/clock:latest"
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    found = {each["check_id"] for each in _checkov(tmp_path)["results"]["failed_checks"]}
    # A privileged container, the tag `latest`, no digest.
    assert found >= {"CKV_K8S_16", "CKV_K8S_14", "CKV_K8S_43"}
