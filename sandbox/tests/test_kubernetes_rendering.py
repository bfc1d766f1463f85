"""The sandbox's kubernetes with a folder for manifests: files instead of a cluster."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import REPLACING, Call, Context, RefusedError
from sandbox.providers.kubernetes.provider import PROVIDER
from sandbox.values.wire import UNKNOWN, dotted

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
NAMESPACE = "kubernetes:core/v1:Namespace"
RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"
SECRET_PROVIDER_CLASS = "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
DISCOVERY: Mapping[str, Any] = {
    "metadata": {"name": "discovery", "namespace": "fleet"},
    "data": {"0": "{}"},
}


class Folder:
    """A provider that renders to a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "manifests"
        self.warnings: list[str] = []
        self.cloud = Cloud(folder / "cloud.sqlite")
        self.context = Context(
            cloud=self.cloud,
            config={"renderYamlToDirectory": str(self.path)},
            warn=lambda _, text: self.warnings.append(text),
        )

    def checked(self, kind: str, inputs: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
        call = Call(type=kind, urn="it", name="it", inputs=inputs, seed=b"1", **more)
        checked = PROVIDER.check(self.context, call)
        assert checked.failures == []
        return checked.inputs

    def errors(self, kind: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        call = Call(type=kind, urn="it", name="it", inputs=inputs, seed=b"1")
        failures = PROVIDER.check(self.context, call).failures
        return {dotted(failure.path): failure.reason for failure in failures}

    def make(self, kind: str, inputs: Mapping[str, Any], *, preview: bool = False) -> Call:
        """Creates an object and returns the call that refers to it."""
        checked = self.checked(kind, inputs)
        call = Call(type=kind, urn="it", name="it", inputs=checked, preview=preview)
        made = PROVIDER.create(self.context, call)
        return Call(
            type=kind,
            urn="it",
            name="it",
            id=made.id,
            old_inputs=checked,
            properties=made.properties,
        )

    def files(self) -> list[str]:
        found = (path for path in self.path.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def read(self, file: str) -> Any:
        return yaml.safe_load((self.path / file).read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.cloud.close()


def test_an_object_becomes_a_file_and_nothing_else(folder: Folder) -> None:
    made = folder.make(CONFIG_MAP, DISCOVERY)
    assert made.id == "fleet/discovery"
    assert folder.files() == ["1-manifest/v1-configmap-fleet-discovery.yaml"]
    assert folder.read("1-manifest/v1-configmap-fleet-discovery.yaml") == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        **DISCOVERY,
    }
    assert folder.cloud.list() == []


@pytest.mark.parametrize(
    ("kind", "metadata", "file"),
    [
        (NAMESPACE, {"name": "fleet"}, "1-manifest/v1-namespace-default-fleet.yaml"),
        (CONFIG_MAP, {"name": "a"}, "1-manifest/v1-configmap-default-a.yaml"),
        (
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
            {"name": "system:reader"},
            "1-manifest/rbac.authorization.k8s.io_v1-clusterrole-default-system:reader.yaml",
        ),
        (
            SECRET_PROVIDER_CLASS,
            {"name": "clock", "namespace": "fleet"},
            "1-manifest/secrets-store.csi.x-k8s.io_v1-secretproviderclass-fleet-clock.yaml",
        ),
    ],
)
def test_a_file_is_named_after_version_kind_namespace_and_name(
    folder: Folder, kind: str, metadata: Mapping[str, str], file: str
) -> None:
    folder.make(kind, {"metadata": metadata})
    assert folder.files() == [file]


def test_definitions_of_custom_kinds_come_first(folder: Folder) -> None:
    spec = {
        "group": "example.com",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True}],
    }
    folder.make(CRD, {"metadata": {"name": "widgets.example.com"}, "spec": spec})
    name = "apiextensions.k8s.io_v1-customresourcedefinition-default-widgets.example.com.yaml"
    assert folder.files() == [f"0-crd/{name}"]


def test_files_are_readable_by_the_owner_only(folder: Folder) -> None:
    folder.make(CONFIG_MAP, DISCOVERY)
    (file,) = (folder.path / "1-manifest").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_preview_writes_nothing(folder: Folder) -> None:
    previewed = folder.make(CONFIG_MAP, DISCOVERY, preview=True)
    assert (previewed.id, folder.files()) == ("", [])
    assert previewed.properties == previewed.old_inputs


def test_no_controller_adds_a_status(folder: Folder) -> None:
    assert "status" not in folder.make(NAMESPACE, {"metadata": {"name": "fleet"}}).properties


def test_an_update_rewrites_the_file(folder: Folder) -> None:
    made = folder.make(CONFIG_MAP, DISCOVERY)
    wanted = folder.checked(CONFIG_MAP, {**DISCOVERY, "data": {"0": "[]"}})
    call = Call(
        type=CONFIG_MAP,
        urn="it",
        name="it",
        id=made.id,
        inputs=wanted,
        properties=made.properties,
    )
    assert PROVIDER.update(folder.context, call)["data"] == {"0": "[]"}
    assert folder.read("1-manifest/v1-configmap-fleet-discovery.yaml")["data"] == {"0": "[]"}


def test_a_deletion_removes_the_file_and_accepts_a_missing_one(folder: Folder) -> None:
    made = folder.make(CONFIG_MAP, DISCOVERY)
    PROVIDER.delete(folder.context, made)
    assert folder.files() == []
    PROVIDER.delete(folder.context, made)


def test_another_name_is_another_file(folder: Folder) -> None:
    old = folder.checked(CONFIG_MAP, DISCOVERY)
    new = folder.checked(CONFIG_MAP, {**DISCOVERY, "metadata": {"name": "b", "namespace": "fleet"}})
    call = Call(type=CONFIG_MAP, urn="it", name="it", inputs=new, old_inputs=old)
    difference = PROVIDER.diff(folder.context, call)
    assert {path for path, one in difference.changes.items() if one in REPLACING} == {
        ("metadata", "name")
    }
    assert not difference.delete_first


def test_a_refresh_reads_no_file(folder: Folder) -> None:
    made = folder.make(CONFIG_MAP, DISCOVERY)
    (folder.path / "1-manifest/v1-configmap-fleet-discovery.yaml").unlink()
    found = PROVIDER.read(folder.context, made)
    assert found is not None
    assert (found.id, found.inputs) == (made.id, made.old_inputs)


def test_nothing_can_be_imported_from_files(folder: Folder) -> None:
    call = Call(type=CONFIG_MAP, urn="it", name="it", id="fleet/discovery")
    assert PROVIDER.read(folder.context, call) is None


def test_objects_are_still_validated(folder: Folder) -> None:
    assert list(folder.errors(CONFIG_MAP, {**DISCOVERY, "date": {}})) == ["date"]
    assert list(folder.errors(DEPLOYMENT, {"metadata": {"name": "a"}, "spec": {}})) == [
        "spec.selector",
        "spec.template",
    ]


def test_a_generated_name_is_refused_without_a_server(folder: Folder) -> None:
    assert folder.errors(CONFIG_MAP, {"metadata": {"generateName": "run-"}}) == {
        "metadata.generateName": "only a server generates names; a rendered object needs "
        "metadata.name"
    }


def test_the_namespace_of_a_custom_object_is_not_guessed(folder: Folder) -> None:
    assert folder.make(SECRET_PROVIDER_CLASS, {"metadata": {"name": "clock"}}).id == "clock"


def test_a_secret_in_a_file_causes_a_warning(folder: Folder) -> None:
    warning = "it: rendered YAML will contain a secret value in plaintext"
    folder.checked(CONFIG_MAP, DISCOVERY)
    assert folder.warnings == []
    folder.checked(SECRET, {"metadata": {"name": "a"}, "stringData": {"key": "hush"}})
    assert folder.warnings == [warning]
    folder.checked(CONFIG_MAP, DISCOVERY, secrets=frozenset({("data", "0")}))
    assert folder.warnings == [warning, warning]


def test_charts_are_not_rendered(folder: Folder) -> None:
    checked = folder.checked(RELEASE, {"chart": "base"})
    with pytest.raises(RefusedError, match="can't create Helm Release with unreachable cluster"):
        PROVIDER.create(folder.context, Call(type=RELEASE, urn="", name="it", inputs=checked))


def test_a_folder_that_cannot_be_created_is_reported(folder: Folder) -> None:
    folder.path.write_text("in the way", encoding="utf-8")
    with pytest.raises(RefusedError, match="failed to write YAML file"):
        folder.make(CONFIG_MAP, DISCOVERY)


@pytest.mark.parametrize("key", ["cluster", "context", "kubeconfig"])
def test_a_folder_cannot_be_combined_with_a_cluster(folder: Folder, key: str) -> None:
    text = "clusters: [{cluster: {server: 'https://a'}}]"
    config = {"renderYamlToDirectory": "manifests", key: text}
    failures = PROVIDER.check_config(folder.context, config).failures
    assert [(failure.path, failure.reason) for failure in failures] == [
        ((key,), f'"{key}" arg is not compatible with "renderYamlToDirectory" arg')
    ]


@pytest.mark.parametrize("always", [True, False])
def test_unchanged_objects_are_rendered_again_with_always_render(
    folder: Folder, always: bool
) -> None:
    folder.context = Context(
        cloud=folder.cloud,
        config={**folder.context.config, "alwaysRender": always},
        warn=folder.context.warn,
    )
    made = folder.make(CONFIG_MAP, DISCOVERY)
    difference = PROVIDER.diff(folder.context, replace(made, inputs=made.old_inputs))
    assert difference.changes == {}
    assert difference.anyway is always


def test_another_folder_or_cluster_replaces_the_provider() -> None:
    assert PROVIDER.replacing_config == {"clusterIdentifier", "renderYamlToDirectory"}


def test_a_relative_folder_is_resolved_from_the_programs(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder.context = Context(
        cloud=folder.cloud,
        config={"renderYamlToDirectory": "deploy/fleet"},
        warn=folder.context.warn,
    )
    folder.make(CONFIG_MAP, DISCOVERY)
    assert (tmp_path / "deploy/fleet/1-manifest/v1-configmap-fleet-discovery.yaml").is_file()


def test_an_unknown_folder_renders_nothing(folder: Folder) -> None:
    folder.context = Context(
        cloud=folder.cloud,
        config={"renderYamlToDirectory": UNKNOWN},
        warn=folder.context.warn,
    )
    assert folder.make(CONFIG_MAP, DISCOVERY, preview=True).id == ""
    assert folder.files() == []
