"""The sandbox's kubernetes: validation, names, updates, replacements and added fields."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.engine.provider import REPLACING, Call, Context, Made, RefusedError
from sandbox.providers.kubernetes import kinds, syntax
from sandbox.providers.kubernetes.provider import PROVIDER
from sandbox.tests.clusters import changed
from sandbox.values.wire import UNKNOWN, dotted

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SERVICE = "kubernetes:core/v1:Service"
NAMESPACE = "kubernetes:core/v1:Namespace"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
RELEASE = "kubernetes:helm.sh/v3:Release"
CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
WIDGET = "kubernetes:example.com/v1:Widget"
LABELS = {"app": "clock"}
WORKLOAD: Mapping[str, Any] = {
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {
                "containers": [
                    {
                        "name": "clock",
                        "image": "clock@sha256:00",
                        "ports": [{"containerPort": 8080, "name": "http"}],
                        "resources": {"limits": {"cpu": 1, "memory": "512Mi"}},
                        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
                    }
                ]
            },
        },
    }
}
WIDGETS: Mapping[str, Any] = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1, "maximum": 3},
                                    "color": {"type": "string", "enum": ["red", "blue"]},
                                    "free": {
                                        "type": "object",
                                        "x-kubernetes-preserve-unknown-fields": True,
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


class Api:
    """A cluster that gets the engine's calls."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.warnings: list[str] = []
        self.cloud = Cloud(folder / "cloud.sqlite")
        self.context = Context(
            cloud=self.cloud, config=config, warn=lambda _, text: self.warnings.append(text)
        )

    def with_config(self, **config: Any) -> "Api":
        """The same cloud with another provider."""
        return Api(self.cloud.path.parent, **config)

    def check(
        self, kind: str, inputs: Mapping[str, Any], name: str = "clock", **more: Any
    ) -> Mapping[str, Any]:
        checked = PROVIDER.check(
            self.context, Call(type=kind, urn=name, name=name, inputs=inputs, seed=b"1", **more)
        )
        assert checked.failures == []
        return checked.inputs

    def errors(self, kind: str, inputs: Mapping[str, Any], name: str = "clock") -> dict[str, str]:
        call = Call(type=kind, urn=name, name=name, inputs=inputs, seed=b"1")
        checked = PROVIDER.check(self.context, call)
        return {dotted(failure.path): failure.reason for failure in checked.failures}

    def create(self, kind: str, inputs: Mapping[str, Any], name: str = "clock") -> Made:
        checked = self.check(kind, inputs, name)
        return PROVIDER.create(self.context, Call(type=kind, urn=name, name=name, inputs=checked))

    def changes(
        self, kind: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> tuple[dict[str, bool], bool]:
        """The changed paths, each with whether it replaces; and whether deletion comes first."""
        before = self.check(kind, old)
        after = self.check(kind, new, old_inputs=before)
        call = Call(type=kind, urn="", name="clock", inputs=after, old_inputs=before)
        difference = PROVIDER.diff(self.context, call)
        paths = {dotted(path): one in REPLACING for path, one in difference.changes.items()}
        return paths, difference.delete_first


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.cloud.close()


CONTAINER = "spec.template.spec.containers.0"
REFUSED: list[tuple[str, Any, str, str]] = [
    ("spec.replica", 2, "spec.replica", "unknown field; did you mean replicas?"),
    ("spec.selector", None, "spec.selector", "is missing; it is required"),
    ("spec.replicas", "two", "spec.replicas", "'two' is not of type integer"),
    ("spec.replicas", True, "spec.replicas", "True is not of type integer"),
    ("spec.replicas", 2**31, "spec.replicas", "2147483648 does not fit into 32 bits"),
    (
        f"{CONTAINER}.imagePullPolicy",
        "Sometimes",
        "spec.template.spec.containers[0].imagePullPolicy",
        "'Sometimes' is not allowed; allowed: Always, Never, IfNotPresent",
    ),
    (
        f"{CONTAINER}.resources.limits.memory",
        "512MB",
        "spec.template.spec.containers[0].resources.limits.memory",
        "'512MB' is not a quantity, such as 250m, 1.5, 512Mi or 2G",
    ),
    (
        f"{CONTAINER}.ports.0.containerPort",
        65536,
        "spec.template.spec.containers[0].ports[0].containerPort",
        "65536 is not a port: 1 to 65535",
    ),
    (
        f"{CONTAINER}.ports.0.name",
        "a-very-long-name",
        "spec.template.spec.containers[0].ports[0].name",
        "'a-very-long-name' is not a port's name",
    ),
    (
        f"{CONTAINER}.name",
        "Clock",
        "spec.template.spec.containers[0].name",
        "'Clock' is not an RFC 1123 label",
    ),
    (
        "metadata",
        {"labels": {"team/": "a"}},
        'metadata.labels["team/"]',
        "'team/' is not a key",
    ),
    ("metadata", {"labels": {"team": "a b"}}, "metadata.labels.team", "is not a label's value"),
    (
        "metadata",
        {"annotations": {"note": "x" * (syntax.ANNOTATIONS_SIZE + 1)}},
        "metadata.annotations",
        "at most 262144",
    ),
    ("metadata", {"name": "Clock"}, "metadata.name", "'Clock' is not an RFC 1123 subdomain"),
    ("metadata", {"namespace": "a.b"}, "metadata.namespace", "'a.b' is not an RFC 1123 label"),
    ("kind", "DaemonSet", "kind", "'DaemonSet' does not match the type: Deployment"),
    (
        "spec.template.metadata.labels",
        {"app": "other"},
        "spec.template.metadata.labels",
        "the template's labels do not match the selector in app",
    ),
]


@pytest.mark.parametrize(("path", "value", "where", "reason"), REFUSED)
def test_an_error_in_a_deployment_is_reported_at_its_path(
    api: Api, path: str, value: Any, where: str, reason: str
) -> None:
    found = api.errors(DEPLOYMENT, changed(WORKLOAD, path, value))
    assert list(found) == [where]
    assert reason in found[where]


def test_all_errors_are_reported_together(api: Api) -> None:
    twice = changed(changed(WORKLOAD, "spec.replicas", "two"), f"{CONTAINER}.imago", "x")
    assert list(api.errors(DEPLOYMENT, twice)) == [
        "spec.replicas",
        "spec.template.spec.containers[0].imago",
    ]


def test_unknown_values_of_a_preview_are_accepted(api: Api) -> None:
    unknown = changed(changed(WORKLOAD, f"{CONTAINER}.image", UNKNOWN), "spec.replicas", UNKNOWN)
    assert api.errors(DEPLOYMENT, unknown) == {}
    assert api.errors(SERVICE, {"metadata": UNKNOWN, "spec": UNKNOWN}) == {}


@pytest.mark.parametrize("quantity", ["0", "250m", "1.5", ".5", "512Mi", "2G", "1e3", "-1", 2, 0.5])
def test_a_quantity_is_a_number_with_a_unit(api: Api, quantity: str | float) -> None:
    limits = changed(WORKLOAD, f"{CONTAINER}.resources.limits.memory", quantity)
    assert api.errors(DEPLOYMENT, limits) == {}


@pytest.mark.parametrize(
    ("kind", "name", "fine"),
    [
        ("Namespace", "a" * 63, True),
        ("Namespace", "a" * 64, False),
        ("Namespace", "a.b", False),
        ("Service", "1a", False),
        ("Service", "a1", True),
        ("Service", "a" * 63, True),
        ("Service", "a" * 64, False),
        ("Role", "system:read", True),
        ("Role", "a/b", False),
        ("ConfigMap", "a" * 253, True),
        ("ConfigMap", "a" * 254, False),
        ("ConfigMap", "a.b-c", True),
        ("ConfigMap", "-a", False),
        ("ConfigMap", "a_b", False),
    ],
)
def test_the_rule_of_a_name_depends_on_the_kind(kind: str, name: str, fine: bool) -> None:
    assert (syntax.is_object_name(kind, name) is None) is fine


@pytest.mark.parametrize(
    ("key", "fine"),
    [
        ("app", True),
        ("app.kubernetes.io/name", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("-a", False),
        ("a/b/c", False),
        ("", False),
    ],
)
def test_the_key_of_a_label_is_a_name_perhaps_with_a_domain(key: str, fine: bool) -> None:
    assert (syntax.is_qualified_name(key) is None) is fine


@pytest.mark.parametrize(("value", "fine"), [("", True), ("a" * 63, True), ("a" * 64, False)])
def test_the_value_of_a_label_has_at_most_63_characters(value: str, fine: bool) -> None:
    assert (syntax.is_label_value(value) is None) is fine


@pytest.mark.parametrize(("port", "fine"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_a_port_is_a_number_of_16_bits(port: int, fine: bool) -> None:
    assert (syntax.is_port(port) is None) is fine


@pytest.mark.parametrize(
    ("name", "fine"),
    [("http", True), ("a" * 15, True), ("a" * 16, False), ("80", False), ("a--b", False)],
)
def test_a_ports_name_is_short_and_has_a_letter(name: str, fine: bool) -> None:
    assert (syntax.is_port_name(name) is None) is fine


def test_a_key_of_a_config_map_names_a_file(api: Api) -> None:
    assert list(api.errors(CONFIG_MAP, {"data": {"a b": "x", "a.b": "y"}})) == ['data["a b"]']


def test_the_minimum_of_an_autoscaler_is_at_most_its_maximum(api: Api) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "clock"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 2}
    found = api.errors("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", {"spec": spec})
    assert found == {"spec.maxReplicas": "maxReplicas 2 is less than minReplicas 3"}


def test_a_kind_exists_from_its_first_version_of_kubernetes() -> None:
    kind = kinds.parse("kubernetes:resource.k8s.io/v1:DeviceClass")
    assert kinds.schema(kind, "1.36") is not None
    assert kinds.schema(kind, "1.33") is None
    with pytest.raises(RefusedError, match=r"no schemas for Kubernetes 1\.2"):
        kinds.schema(kind, "1.2")


def test_a_group_with_the_prefix_of_a_built_in_one_is_custom() -> None:
    assert kinds.schema(kinds.parse("kubernetes:apps.example.com/v1:Deployment"), "1.36") is None


def test_the_type_sets_api_version_and_kind(api: Api) -> None:
    checked = api.check(SERVICE, {"spec": {}})
    assert (checked["apiVersion"], checked["kind"]) == ("v1", "Service")


def test_an_object_without_name_gets_and_keeps_a_name_from_its_logical_name(api: Api) -> None:
    first = api.check(DEPLOYMENT, WORKLOAD)
    assert first["metadata"] == {
        "name": "clock-4dff4ea3",
        "namespace": "default",
        "annotations": {"pulumi.com/autonamed": "true"},
    }
    again = PROVIDER.check(
        api.context,
        Call(type=DEPLOYMENT, urn="", name="clock", inputs=WORKLOAD, old_inputs=first, seed=b"2"),
    )
    assert again.inputs["metadata"]["name"] == "clock-4dff4ea3"


def test_the_engines_autoname_takes_precedence(api: Api) -> None:
    checked = api.check(DEPLOYMENT, WORKLOAD, proposed_name="clock-dev")
    assert checked["metadata"]["name"] == "clock-dev"


def test_the_server_generates_a_name_from_generate_name(api: Api) -> None:
    made = api.create(CONFIG_MAP, {"metadata": {"generateName": "run-"}})
    assert made.id.startswith("default/run-")
    assert len(made.id) == len("default/run-") + 5


def test_the_providers_namespace_is_the_default_of_namespaced_kinds_only(tmp_path: Path) -> None:
    api = Api(tmp_path, namespace="kube-system")
    assert api.check(CONFIG_MAP, {})["metadata"]["namespace"] == "kube-system"
    assert "namespace" not in api.check(NAMESPACE, {})["metadata"]
    api.cloud.close()


def test_an_object_needs_its_namespace(api: Api) -> None:
    inside = {"metadata": {"name": "a", "namespace": "fleet"}}
    with pytest.raises(RefusedError, match='namespaces "fleet" not found'):
        api.create(CONFIG_MAP, inside)
    assert api.create(NAMESPACE, {"metadata": {"name": "fleet"}}).id == "fleet"
    assert api.create(CONFIG_MAP, inside).id == "fleet/a"


def test_a_name_is_taken_within_its_namespace_and_kind(api: Api) -> None:
    named = {"metadata": {"name": "a"}}
    api.create(CONFIG_MAP, named)
    with pytest.raises(RefusedError, match='ConfigMap "a" already exists'):
        api.create(CONFIG_MAP, named, name="other")
    api.create(SECRET, named)
    api.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "kube-system"}})
    assert len(api.cloud.list("kubernetes")) == 3


def test_another_version_of_a_kind_is_the_same_object(api: Api) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "clock"}
    scaler = {"metadata": {"name": "a"}, "spec": {"scaleTargetRef": target, "maxReplicas": 2}}
    api.create("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", scaler)
    with pytest.raises(RefusedError, match='HorizontalPodAutoscaler "a" already exists'):
        api.create("kubernetes:autoscaling/v1:HorizontalPodAutoscaler", scaler)


def test_all_replicas_of_a_deployment_become_ready(api: Api) -> None:
    status = api.create(DEPLOYMENT, WORKLOAD).properties["status"]
    assert status["readyReplicas"] == status["availableReplicas"] == 2
    assert status["conditions"][0] == {
        "type": "Available",
        "status": "True",
        "reason": "MinimumReplicasAvailable",
    }


def test_services_get_unique_addresses_and_node_ports_if_required(api: Api) -> None:
    spec = {"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}]}
    first = api.create(SERVICE, {"spec": spec}, name="a").properties["spec"]
    second = api.create(SERVICE, {"spec": {**spec, "type": "LoadBalancer"}}, name="b").properties
    assert first["clusterIP"].startswith("172.20.")
    assert first["clusterIP"] != second["spec"]["clusterIP"]
    assert "nodePort" not in first["ports"][0]
    assert 30000 <= second["spec"]["ports"][0]["nodePort"] < 32768
    assert second["status"]["loadBalancer"]["ingress"][0]["hostname"].endswith(".amazonaws.com")


def test_the_string_data_of_a_secret_is_encoded_and_stays_secret(api: Api) -> None:
    made = api.create(SECRET, {"stringData": {"key": "hush"}})
    assert made.properties["data"] == {"key": "aHVzaA=="}
    assert PROVIDER.secret_outputs(SECRET) == {"data", "stringData"}


def test_a_preview_of_a_create_creates_nothing_and_has_no_status(api: Api) -> None:
    inputs = api.check(DEPLOYMENT, WORKLOAD)
    call = Call(type=DEPLOYMENT, urn="", name="clock", inputs=inputs, preview=True)
    made = PROVIDER.create(api.context, call)
    assert made.properties["status"] is UNKNOWN
    assert api.cloud.list() == []


REPLACED: list[tuple[str, Mapping[str, Any], str, Any, dict[str, bool]]] = [
    (DEPLOYMENT, WORKLOAD, "spec.replicas", 3, {"spec.replicas": False}),
    (
        "kubernetes:apps/v1:StatefulSet",
        changed(WORKLOAD, "spec.serviceName", "a"),
        "spec.serviceName",
        "b",
        {"spec.serviceName": True},
    ),
    (CONFIG_MAP, {"data": {"a": "1"}}, "data.a", "2", {"data.a": True}),
    (
        SERVICE,
        {"spec": {"clusterIP": "172.20.0.9"}},
        "spec.clusterIP",
        "172.20.0.10",
        {"spec.clusterIP": True},
    ),
    (NAMESPACE, {"metadata": {"name": "a"}}, "metadata.name", "b", {"metadata.name": True}),
    (
        CONFIG_MAP,
        {"metadata": {"name": "a", "labels": {"x": "1"}}},
        "metadata.labels.x",
        "2",
        {"metadata.labels.x": False},
    ),
]


@pytest.mark.parametrize(("kind", "old", "path", "value", "expected"), REPLACED)
def test_a_change_of_an_immutable_field_replaces(
    api: Api, kind: str, old: Mapping[str, Any], path: str, value: Any, expected: dict[str, bool]
) -> None:
    assert api.changes(kind, old, changed(old, path, value))[0] == expected


def test_a_changed_selector_replaces_a_deployment(api: Api) -> None:
    labels = {"app": "other"}
    new = changed(WORKLOAD, "spec.selector.matchLabels", labels)
    new = changed(new, "spec.template.metadata.labels", labels)
    paths, delete_first = api.changes(DEPLOYMENT, WORKLOAD, new)
    assert paths == {
        "spec.selector.matchLabels.app": True,
        "spec.template.metadata.labels.app": False,
    }
    assert not delete_first


def test_a_replacement_with_the_same_name_deletes_first(api: Api) -> None:
    old = {"metadata": {"name": "a"}, "data": {"k": "1"}}
    assert api.changes(CONFIG_MAP, old, changed(old, "data.k", "2")) == ({"data.k": True}, True)
    assert api.changes(CONFIG_MAP, old, changed(old, "metadata.name", "b"))[1] is False


def test_config_maps_can_be_configured_as_mutable(tmp_path: Path) -> None:
    api = Api(tmp_path, enableConfigMapMutable="true")
    old = {"data": {"k": "1"}}
    assert api.changes(CONFIG_MAP, old, {"data": {"k": "2"}})[0] == {"data.k": False}
    api.cloud.close()


def test_an_update_keeps_identity_and_address_and_counts_generations(api: Api) -> None:
    spec = {"ports": [{"port": 80}]}
    made = api.create(SERVICE, {"metadata": {"name": "a"}, "spec": spec})
    wanted = api.check(SERVICE, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}]}})
    call = Call(type=SERVICE, urn="", name="a", id=made.id, inputs=wanted)
    after = PROVIDER.update(api.context, call)
    assert after["spec"]["clusterIP"] == made.properties["spec"]["clusterIP"]
    assert after["metadata"]["uid"] == made.properties["metadata"]["uid"]
    assert after["metadata"]["generation"] == 2
    assert after["spec"]["ports"][0]["port"] == 81


def test_an_update_of_a_deleted_object_is_refused(api: Api) -> None:
    wanted = api.check(SERVICE, {"metadata": {"name": "a"}})
    with pytest.raises(RefusedError, match='Service "default/a" not found'):
        PROVIDER.update(
            api.context, Call(type=SERVICE, urn="", name="a", id="default/a", inputs=wanted)
        )


def test_a_refresh_shows_drift_in_the_inputs_and_an_import_shows_all_properties(api: Api) -> None:
    made = api.create(DEPLOYMENT, WORKLOAD)
    inputs = api.check(DEPLOYMENT, WORKLOAD)
    spec = {**made.properties["spec"], "replicas": 7, "paused": True}
    api.cloud.edit("kubernetes", DEPLOYMENT, made.id, {"spec": spec})
    asked = Call(type=DEPLOYMENT, urn="", name="clock", id=made.id, old_inputs=inputs)
    found = PROVIDER.read(api.context, asked)
    assert found is not None
    assert found.inputs == changed(inputs, "spec.replicas", 7)
    imported = PROVIDER.read(api.context, Call(type=DEPLOYMENT, urn="", name="x", id=made.id))
    assert imported is not None
    assert imported.inputs["spec"]["paused"] is True
    assert "status" not in imported.inputs
    assert set(imported.inputs["metadata"]) == {"name", "namespace", "annotations"}


def test_a_deleted_object_is_missing_in_a_refresh(api: Api) -> None:
    made = api.create(CONFIG_MAP, {})
    gone = Call(type=CONFIG_MAP, urn="", name="clock", id=made.id)
    PROVIDER.delete(api.context, gone)
    PROVIDER.delete(api.context, gone)
    assert PROVIDER.read(api.context, gone) is None
    assert api.cloud.list() == []


def test_deleting_a_namespace_deletes_everything_in_it(api: Api) -> None:
    api.create(NAMESPACE, {"metadata": {"name": "fleet"}})
    api.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "fleet"}})
    kept = api.create(CONFIG_MAP, {"metadata": {"name": "a"}})
    PROVIDER.delete(api.context, Call(type=NAMESPACE, urn="", name="fleet", id="fleet"))
    assert [stored.id for stored in api.cloud.list()] == [kept.id]


def test_a_custom_kind_without_definition_is_accepted_with_a_warning(api: Api) -> None:
    made = api.create(WIDGET, {"metadata": {"name": "w"}, "anything": 1})
    assert made.id == "w"
    assert made.properties["anything"] == 1
    assert api.warnings == [
        "example.com/v1 Widget is not checked: the sandbox has no schema of this kind for "
        "Kubernetes 1.36, and its CustomResourceDefinition is not in the cloud"
    ]


@pytest.mark.parametrize(
    ("spec", "where", "reason"),
    [
        ({}, "spec.size", "is missing; it is required"),
        ({"size": 4}, "spec.size", "4 is above the maximum of 3"),
        ({"size": 0}, "spec.size", "0 is below the minimum of 1"),
        ({"size": 1, "color": "green"}, "spec.color", "'green' is not allowed; allowed: red, blue"),
        (
            {"size": 1, "colour": "red"},
            "spec.colour",
            "unknown field; did you mean color?",
        ),
        ({"size": "1"}, "spec.size", "'1' is not of type integer"),
    ],
)
def test_a_custom_kind_is_checked_by_its_definition(
    api: Api, spec: Mapping[str, Any], where: str, reason: str
) -> None:
    api.create(CRD, WIDGETS)
    assert api.errors(WIDGET, {"spec": spec}) == {where: reason}


def test_a_valid_custom_object_is_in_a_namespace(api: Api) -> None:
    api.create(CRD, WIDGETS)
    made = api.create(WIDGET, {"metadata": {"name": "w"}, "spec": {"size": 3, "free": {"x": 1}}})
    assert made.id == "default/w"
    assert api.warnings == []
    old_version = {"metadata": {"name": "w"}, "spec": {"size": 3}}
    found = api.errors("kubernetes:example.com/v2:Widget", old_version)
    assert found == {"apiVersion": "example.com serves v1 of Widget, not v2"}


def test_a_patch_changes_only_its_fields_and_needs_a_name(api: Api) -> None:
    patch = "kubernetes:apps/v1:DaemonSetPatch"
    named = {"metadata": {"name": "aws-node", "namespace": "kube-system"}}
    container = {"name": "aws-node", "securityContext": {"privileged": True}}
    pods = {"template": {"spec": {"containers": [container]}}}
    assert api.create(patch, {**named, "spec": pods}).id == "kube-system/aws-node"
    assert api.errors(patch, {"spec": {}}) == {"metadata.name": "missing; a patch needs it"}
    assert list(api.errors(patch, {**named, "spec": {"temple": {}}})) == ["spec.temple"]


@pytest.mark.parametrize(
    ("kind", "name", "namespace"),
    [
        (CONFIG_MAP, "amazon-vpc-cni", "kube-system"),
        (CONFIG_MAP, "kube-root-ca.crt", "default"),
        (NAMESPACE, "kube-system", None),
    ],
)
def test_default_objects_of_a_cluster_cannot_be_created(
    api: Api, kind: str, name: str, namespace: str | None
) -> None:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    with pytest.raises(RefusedError, match=f'"{name}" already exists'):
        api.create(kind, {"metadata": metadata})


def test_a_patch_may_change_an_existing_object(api: Api) -> None:
    named = {"metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"}}
    assert api.create(f"{CONFIG_MAP}Patch", {**named, "data": {"a": "b"}}).id


def test_a_patch_may_replace_the_object_that_it_was_before(api: Api) -> None:
    named = {"metadata": {"name": "a", "namespace": "default"}}
    made = api.create(CONFIG_MAP, {**named, "data": {"a": "b"}})
    patch = f"{CONFIG_MAP}Patch"
    wanted = api.check(patch, {**named, "data": {"a": "c"}})
    call = Call(type=patch, urn="", name="a", inputs=wanted, old_inputs=made.properties, id=made.id)
    assert PROVIDER.read(api.context, call) is not None
    assert PROVIDER.update(api.context, call)["data"] == {"a": "c"}
    assert [stored.type for stored in api.cloud.list()] == [patch]


def test_a_provider_with_upsert_adopts_and_deletes_existing_objects(api: Api) -> None:
    made = api.create(NAMESPACE, {"metadata": {"name": "theirs"}})
    told = api.with_config(upsertExistingObjects="true")
    adopted = told.create(NAMESPACE, {"metadata": {"name": "theirs", "labels": {"a": "b"}}})
    assert adopted.properties["metadata"]["uid"] == made.properties["metadata"]["uid"]
    PROVIDER.delete(told.context, Call(type=NAMESPACE, urn="", name="", inputs={}, id="theirs"))
    assert api.cloud.list() == []


def test_only_the_providers_own_replacement_deletes_first(api: Api) -> None:
    named: Mapping[str, Any] = {"metadata": {"name": "a", "namespace": "default"}}
    old, new = ({**named, "data": {"a": value}} for value in "bc")
    assert api.changes(CONFIG_MAP, old, new)[1]
    mutable = api.with_config(enableConfigMapMutable="true")
    assert not mutable.changes(CONFIG_MAP, old, new)[1]


def kubeconfig(server: str, cluster: str) -> dict[str, Any]:
    login = {"command": "aws", "args": ["eks", "get-token", "--cluster-name", cluster]}
    return {
        "clusters": [{"name": "kubernetes", "cluster": {"server": server}}],
        "users": [{"name": "aws", "user": {"exec": login}}],
    }


def eks_cluster(cloud: Cloud, name: str, version: str) -> None:
    properties = {"name": name, "version": version}
    cloud.put(
        StoredResource(
            provider="aws",
            type="aws:eks/cluster:Cluster",
            id=name,
            inputs={},
            properties=properties,
        )
    )


def test_a_cluster_that_is_not_in_the_cloud_cannot_be_reached(tmp_path: Path) -> None:
    api = Api(tmp_path, kubeconfig=kubeconfig("https://a", "fleet"))
    with pytest.raises(
        RefusedError, match=r"cluster is unreachable.*there is no EKS cluster fleet"
    ):
        api.create(CONFIG_MAP, {})
    eks_cluster(api.cloud, "fleet", "1.36")
    assert api.create(CONFIG_MAP, {}).id == "default/clock-4dff4ea3"
    api.cloud.close()


def test_two_clusters_do_not_share_their_objects(tmp_path: Path) -> None:
    one = Api(tmp_path, kubeconfig=kubeconfig("https://a", "a"))
    other = one.with_config(kubeconfig=kubeconfig("https://b", "b"))
    eks_cluster(one.cloud, "a", "1.36")
    eks_cluster(one.cloud, "b", "1.36")
    named = {"metadata": {"name": "same"}}
    assert one.create(CONFIG_MAP, named).id == other.create(CONFIG_MAP, named).id
    assert len([stored for stored in one.cloud.list() if stored.type == CONFIG_MAP]) == 2
    one.cloud.close()
    other.cloud.close()


def test_an_object_is_checked_for_the_version_of_its_cluster(tmp_path: Path) -> None:
    api = Api(tmp_path, kubeconfig=kubeconfig("https://a", "old"))
    eks_cluster(api.cloud, "old", "1.33")
    api.check("kubernetes:resource.k8s.io/v1:DeviceClass", {"spec": {}})
    assert "no schema of this kind for Kubernetes 1.33" in api.warnings[0]
    api.cloud.close()


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"kubeconfig": "clusters: []"}, "kubeconfig"),
        ({"kubeconfig": "no such file"}, "kubeconfig"),
        ({"kubeconfig": "[1]"}, "kubeconfig"),
        ({"cubeconfig": "x"}, "cubeconfig"),
    ],
)
def test_an_invalid_configuration_is_refused(api: Api, config: dict[str, str], where: str) -> None:
    failures = PROVIDER.check_config(api.context, config).failures
    assert [failure.path for failure in failures] == [(where,)]


def test_a_kubeconfig_may_be_yaml_or_a_file(api: Api, tmp_path: Path) -> None:
    text = "clusters: [{cluster: {server: 'https://a'}}]"
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    assert PROVIDER.check_config(api.context, {"kubeconfig": text}).failures == []
    assert PROVIDER.check_config(api.context, {"kubeconfig": str(path)}).failures == []


def test_a_release_is_stored_with_a_warning_that_it_is_not_rendered(api: Api) -> None:
    made = api.create(RELEASE, {"chart": "metrics", "version": "1.2.3"})
    assert made.id == "default/clock-4dff4ea3"
    assert made.properties["status"] == {
        "name": "clock-4dff4ea3",
        "namespace": "default",
        "chart": "metrics",
        "version": "1.2.3",
        "revision": 1,
        "status": "deployed",
    }
    assert "the chart of the Helm release clock is not rendered" in api.warnings[0]
    wanted = {
        **api.check(RELEASE, {"chart": "metrics", "version": "1.2.4"}),
        "name": "clock-4dff4ea3",
    }
    call = Call(type=RELEASE, urn="", name="clock", id=made.id, inputs=wanted)
    assert PROVIDER.update(api.context, call)["status"]["revision"] == 2


@pytest.mark.parametrize(
    ("inputs", "where", "reason"),
    [
        ({}, "chart", "missing; it is required"),
        ({"chart": "a", "charts": 1}, "charts", "charts is not a property of a Release"),
        ({"chart": "a", "name": "x" * 54}, "name", "54 characters long; at most 53"),
    ],
)
def test_an_invalid_release_is_refused(
    api: Api, inputs: dict[str, Any], where: str, reason: str
) -> None:
    found = api.errors(RELEASE, inputs)
    assert list(found) == [where]
    assert reason in found[where]


def test_a_release_needs_or_creates_its_namespace_and_needs_a_free_name(api: Api) -> None:
    release = {"chart": "a", "name": "x", "namespace": "fleet"}
    with pytest.raises(RefusedError, match='namespaces "fleet" not found'):
        api.create(RELEASE, release)
    api.create(RELEASE, {**release, "createNamespace": True})
    with pytest.raises(RefusedError, match="cannot re-use a name that is still in use"):
        api.create(RELEASE, {**release, "createNamespace": True})


def test_a_release_can_be_deleted(api: Api) -> None:
    made = api.create(RELEASE, {"chart": "flux", "name": "flux", "namespace": "default"})
    call = Call(type=RELEASE, urn="", name="", inputs={}, id=made.id)
    PROVIDER.delete(api.context, call)
    assert api.cloud.list() == []


def test_a_release_of_another_name_replaces_the_old_one(api: Api) -> None:
    old = {"chart": "a", "name": "x"}
    assert api.changes(RELEASE, old, {**old, "name": "y"})[0] == {"name": True}
    assert api.changes(RELEASE, old, {**old, "chart": "b"})[0] == {"chart": False}


def test_a_preview_of_a_release_creates_nothing(api: Api) -> None:
    call = Call(type=RELEASE, urn="", name="x", inputs={"chart": "a"}, preview=True)
    assert PROVIDER.create(api.context, call).properties["status"] is UNKNOWN
    assert PROVIDER.update(api.context, call)["status"] is UNKNOWN
    assert api.cloud.list() == []


def test_manifests_are_decoded(api: Api) -> None:
    arguments = {"text": "kind: A\n---\n---\nkind: B\n"}
    found = PROVIDER.invoke(api.context, "kubernetes:yaml:decode", arguments)
    assert found == {"result": [{"kind": "A"}, {"kind": "B"}]}
    with pytest.raises(RefusedError, match="kubernetes:yaml:decode: "):
        PROVIDER.invoke(api.context, "kubernetes:yaml:decode", {"text": "a: ["})
    with pytest.raises(RefusedError, match="does not support this function"):
        PROVIDER.invoke(api.context, "kubernetes:helm:template", {})
