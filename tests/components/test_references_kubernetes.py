"""Names in Kubernetes objects refer only to objects of the fleet: accounts, claims, labels.

A selector without pods, or a principal that does not exist, causes no error. `references.yaml`
lists the keys whose values are names of objects.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

import pytest

from tests.components.recording import Recording, Resource, run
from tests.components.references import at, leaves
from tests.components.test_references import EKS, FLEETS, TABLE

_PRINCIPAL = re.compile(r"^cluster\.local/ns/([^/]+)/sa/([^/]+)$")
_HOST = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?\b")
_NAMES_ITSELF = "kubernetes.io/metadata.name"
# Services in every cluster, and services of the components that the fleet installs.
_HOSTS_OF_OTHERS = {("kubernetes", "default")}
Labels = Mapping[str, str]


@cache
def recording(fleet: str) -> Recording:
    return run(FLEETS[fleet])


def objects(fleet: str) -> list[Resource]:
    made = recording(fleet).resources.values()
    return [each for each in made if each.type.startswith("kubernetes:")]


def named(fleet: str, kind: str) -> set[tuple[str, str]]:
    """The namespace and name of the objects of a kind, including Secrets of the CSI driver."""
    found = {place(each) for each in objects(fleet) if each.type.endswith(f":{kind}")}
    if kind == "Secret":
        for each in objects(fleet):
            for made in at(each.inputs, "spec.secretObjects") or ():
                found.add((place(each)[0], made["secretName"]))
    return found


def place(made: Resource) -> tuple[str, str]:
    metadata = made.inputs.get("metadata", {})
    return metadata.get("namespace", ""), metadata.get("name", made.name)


@pytest.mark.parametrize("fleet", EKS)
def test_an_object_names_only_objects_that_are_made(fleet: str):
    unknown = {
        f"{made.kind} {made.name} {path}: {text}"
        for made in objects(fleet)
        for path, text in leaves(made.inputs)
        for ending, kind in TABLE["objects"].items()
        if path.endswith(ending)
        and not {(place(made)[0], text), ("", text), (claimed(made), text)} & named(fleet, kind)
    }
    assert unknown == set()


def claimed(made: Resource) -> str:
    """The namespace of a volume's claim. The volume has no namespace."""
    return str(at(made.inputs, "spec.claimRef.namespace"))


@pytest.mark.parametrize("fleet", EKS)
def test_every_namespace_that_an_object_is_in_is_made(fleet: str):
    there = {name for _, name in named(fleet, "Namespace")} | {"", "kube-system", "default"}
    # A GitOps engine is installed before its applications.
    there |= {"flux-system", "argocd"}
    assert {place(made)[0] for made in objects(fleet)} - there == set()


@pytest.mark.parametrize("fleet", EKS)
def test_every_selector_matches_pods_or_namespaces_that_are_made(fleet: str):
    pods = [each.inputs["spec"]["template"]["metadata"]["labels"] for each in deployments(fleet)]
    namespaces = [
        {_NAMES_ITSELF: place(each)[1], **each.inputs["metadata"].get("labels", {})}
        for each in objects(fleet)
        if each.type.endswith(":Namespace")
    ]
    pods += TABLE["labels"]["pods"]
    namespaces += TABLE["labels"]["namespaces"]
    for made in objects(fleet):
        for path, wanted in selectors(made.inputs):
            candidates = namespaces if "namespaceSelector" in path else pods
            matched = [each for each in candidates if wanted.items() <= each.items()]
            assert matched, f"{made.kind} {made.name} {path}: {wanted}"


def deployments(fleet: str) -> list[Resource]:
    return [each for each in objects(fleet) if each.type.endswith(":Deployment")]


def selectors(value: Any, path: str = "") -> Iterator[tuple[str, Labels]]:
    """The labels of all selectors in a value, with their paths."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from selectors(item, path)
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            inner = f"{path}.{key}"
            labels = inner.endswith((".matchLabels", ".spec.selector"))
            if labels and all(isinstance(text, str) for text in item.values()):
                yield inner, item
            else:
                yield from selectors(item, inner)


@pytest.mark.parametrize("fleet", EKS)
def test_every_role_is_bound_to_accounts_that_are_made(fleet: str):
    subjects = {
        (subject["namespace"], subject["name"])
        for made in objects(fleet)
        for subject in made.inputs.get("subjects", ())
    }
    assert subjects <= named(fleet, "ServiceAccount")


@pytest.mark.parametrize("fleet", EKS)
def test_every_principal_is_an_account_that_is_made(fleet: str):
    accounts = named(fleet, "ServiceAccount")
    for made in objects(fleet):
        for path, text in leaves(made.inputs):
            if path.endswith("source.principals"):
                found = _PRINCIPAL.match(text)
                assert found, text
                assert (found[1], found[2]) in accounts, f"{made.name}: {text}"


@pytest.mark.parametrize("fleet", EKS)
def test_every_address_in_the_cluster_is_a_service_that_is_made(fleet: str):
    services = named(fleet, "Service") | _HOSTS_OF_OTHERS
    unknown = {
        f"{made.kind} {made.name} {path}: {found[0]}"
        for made in recording(fleet).resources.values()
        for path, text in leaves(made.inputs)
        for found in _HOST.finditer(text)
        if (found[2], found[1]) not in services and (found[1], found[2]) not in _HOSTS_OF_OTHERS
    }
    assert unknown == set()
