"""The example fleets on EKS, on the real engine."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cloud.store import StoredResource
from sandbox.providers.kubernetes.objects import object_id
from tests.engine.program_run import Elsewhere, copy_program, create_elsewhere
from tests.engine.sandbox_run import ROOT, STACK, Sandbox, create

pytestmark = pytest.mark.engine

IMAGE = {
    "context": "workloads/clock",
    "additional_contexts": {"common": "workloads/common"},
}
CNI_CONFIGURATION = "kube-system/amazon-vpc-cni"
GIT = {"repository": "https://github.com/example/fleet.git", "path": "rendered/dev"}
IDENTITY_CENTER = {
    "instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef",
    "admin_groups": ["12345678-90ab-cdef-1234-567890abcdef"],
}


@pytest.fixture
def changed(clustered: Sandbox, tmp_path: Path) -> Sandbox:
    """A copy of the deployed fleet, which a test can change."""
    return clustered.copy(tmp_path / "changed")


def _objects(sandbox: Sandbox, kind: str | None = None) -> dict[str, StoredResource]:
    """The objects in the clusters by kind and id, or the objects of a kind by id."""
    found = [stored for stored in sandbox.cloud.list() if stored.provider.startswith("kubernetes")]
    kinds = [(str(stored.properties.get("kind", stored.type)), stored) for stored in found]
    if kind:
        return {stored.id: stored for each, stored in kinds if each == kind}
    return {f"{each} {stored.id}": stored for each, stored in kinds}


def _container(deployment: StoredResource) -> dict[str, Any]:
    (container,) = deployment.properties["spec"]["template"]["spec"]["containers"]
    return container


def _refused(sandbox: Sandbox, *args: str) -> str:
    done = sandbox.run(*args, "--yes", "--stack", STACK)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_up_gives_the_contract_outputs(clustered: Sandbox) -> None:
    outputs = clustered.outputs()
    url = outputs["gateway_url"]
    assert url.startswith("http://internal-gateway-alb-")
    assert outputs["servers"] == {
        "clock": f"{url}/servers/clock/mcp",
        "notes": f"{url}/servers/notes/mcp",
    }
    assert outputs["agents"] == {"assistant": f"{url}/agents/assistant"}
    assert outputs["chat"] == {}
    assert outputs["discovery"] == {
        "namespace": "svc.cluster.local",
        "parameter": "/mcp-platform/dev/discovery",
    }
    assert outputs["log_groups"] == {
        name: f"/mcp-platform/dev/{name}" for name in ("assistant", "clock", "notes")
    }
    assert json.loads(outputs["mcp_json"])["mcpServers"]["clock"] == {
        "timeout": 90_000,
        "type": "http",
        "url": f"{url}/servers/clock/mcp",
    }


def test_up_makes_what_a_workload_needs_of_a_cluster_once_for_each(clustered: Sandbox) -> None:
    counts = Counter(each.partition(" ")[0] for each in _objects(clustered))
    for kind in ("Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"):
        assert counts[kind] == 3, kind
    assert counts["TargetGroupBinding"] == 3
    assert counts["SecretProviderClass"] == 2
    assert counts["PersistentVolumeClaim"] == counts["PersistentVolume"] == 1
    assert counts["Role"] == counts["RoleBinding"] == 1
    assert {"mcp"} == _objects(clustered, "Namespace").keys()


def test_up_makes_nothing_of_the_other_targets(clustered: Sandbox) -> None:
    types = {each["type"] for each in clustered.resources()}
    assert not {each for each in types if each.startswith(("aws:ecs", "aws:lambda", "aws:apigat"))}


def test_the_document_in_the_cluster_lists_the_same_servers_as_the_parameter(
    clustered: Sandbox,
) -> None:
    (parameter,) = clustered.cloud.list("aws", "aws:ssm/parameter:Parameter")
    document = _objects(clustered, "ConfigMap")["mcp/discovery"].properties["data"]["discovery"]
    assert json.loads(document) == json.loads(parameter.properties["value"])
    assert json.loads(document)["servers"] == {
        "clock": "http://clock.mcp.svc.cluster.local:8080/mcp",
        "notes": "http://notes.mcp.svc.cluster.local:8080/mcp",
    }


def test_a_second_preview_has_no_changes(clustered: Sandbox) -> None:
    clustered.must("preview", "--stack", STACK, "--expect-no-changes")


def test_a_refresh_finds_nothing(clustered: Sandbox) -> None:
    clustered.must("refresh", "--yes", "--stack", STACK, "--expect-no-changes")


def test_up_says_nothing_that_the_sandbox_does_not_know(empty: Sandbox) -> None:
    empty.configure("target", "eks")
    done = empty.run("up", "--yes", "--stack", STACK, "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in (done.stdout + done.stderr).splitlines() if "warning" in line] == []


def test_no_secret_value_is_in_plain_text_in_state_or_in_an_object(clustered: Sandbox) -> None:
    state = clustered.must("stack", "export", "--stack", STACK)
    plain = json.loads(clustered.must("stack", "export", "--stack", STACK, "--show-secrets"))
    values = {
        each["outputs"]["result"]["plaintext"].strip('"')
        for each in plain["deployment"]["resources"]
        if each["type"] == "random:index/randomPassword:RandomPassword"
    } | {"example-api-key"}
    assert len(values) == 3
    assert not any(value in state for value in values)
    objects = [json.dumps(stored.properties) for stored in _objects(clustered).values()]
    assert len(objects) >= 40
    assert not any(value in text for value in values for text in objects)
    assert _objects(clustered, "Secret") == {}


def test_a_new_image_touches_just_its_deployment(changed: Sandbox, tmp_path: Path) -> None:
    moved = Elsewhere(folder=changed.folder, program=copy_program(tmp_path / "program"))
    assert moved.changes() == {}
    server = moved.program / "workloads" / "clock" / "server.py"
    server.write_text(server.read_text() + "# changed\n")
    assert moved.changes() == {
        "replace": ["fleet-images-workloads-clock-build"],
        "update": ["fleet-images-workloads-clock-image", "eks-clock-deployment"],
    }
    before = _objects(moved)
    moved.up()
    after = _objects(moved)
    assert before.keys() == after.keys()
    differing = {
        each
        for each in before
        if before[each].properties.get("spec") != after[each].properties.get("spec")
    }
    assert differing == {"Deployment mcp/clock"}
    old, new = (_container(each["Deployment mcp/clock"]) for each in (before, after))
    assert old.pop("image") != new.pop("image")
    assert old == new
    assert moved.changes() == {}


def test_a_new_server_touches_no_other(changed: Sandbox) -> None:
    changed.configure("servers.second", {"image": IMAGE})
    changes = changed.changes()
    assert all("second" in name for name in changes.pop("create"))
    assert {key: sorted(names) for key, names in changes.items()} == {
        # The discovery document, the dashboard, the quota and the limits of the nodes.
        "update": [
            "eks-base-nodes-on-demand",
            "eks-namespaces-mcp-discovery",
            "eks-namespaces-mcp-quota",
            "published-dashboard",
            "published-discovery",
        ]
    }
    changed.up()
    assert changed.changes() == {}


def test_a_removed_agent_goes_with_all_that_it_had(changed: Sandbox) -> None:
    changed.configure("agents", {})
    changes = changed.changes()
    assert all("assistant" in name for name in changes.pop("delete"))
    assert {key: sorted(names) for key, names in changes.items()} == {
        "update": [
            "eks-base-nodes-on-demand",
            "eks-namespaces-mcp-discovery",
            "eks-namespaces-mcp-quota",
            "published-dashboard",
            "published-discovery",
        ]
    }
    changed.up()
    assert [each for each in _objects(changed) if "assistant" in each] == []
    assert [
        stored.id
        for stored in changed.cloud.list(
            "aws", "aws:eks/podIdentityAssociation:PodIdentityAssociation"
        )
        if stored.properties["serviceAccount"] == "assistant"
    ] == []
    assert changed.changes() == {}


def test_a_count_that_the_autoscaler_changed_is_left_alone(changed: Sandbox) -> None:
    notes = _objects(changed, "Deployment")["mcp/notes"]
    changed.cloud.edit(
        notes.provider, notes.type, notes.id, {"spec": {**notes.properties["spec"], "replicas": 4}}
    )
    changed.must("refresh", "--yes", "--stack", STACK)
    assert changed.changes() == {}


def test_a_new_secret_value_starts_new_pods_of_its_workload_alone(changed: Sandbox) -> None:
    changed.must("config", "set", "--secret", "secret-notes-api-key", "another", "--stack", STACK)
    touched = {name for names in changed.changes().values() for name in names}
    assert touched == {
        "fleet-vault-secret-notes-api-key-version",
        "eks-notes-vault",
        "eks-notes-deployment",
    }
    before = _objects(changed)
    changed.up()
    after = _objects(changed)
    (version,) = (
        each["outputs"]["versionId"]
        for each in changed.resources()
        if each["urn"].endswith("::fleet-vault-secret-notes-api-key-version")
    )
    (gone,), (come,) = before.keys() - after.keys(), after.keys() - before.keys()
    assert gone.startswith("SecretProviderClass mcp/notes-")
    assert come.startswith("SecretProviderClass mcp/notes-")
    assert version in after[come].properties["spec"]["parameters"]["objects"]
    # An existing Secret keeps its values, so only a Secret with a new name has the new value.
    read = [
        {
            each["valueFrom"]["secretKeyRef"]["name"]
            for each in _container(objects["Deployment mcp/notes"])["env"]
            if "valueFrom" in each
        }
        for objects in (before, after)
    ]
    assert read == [{gone.rpartition("/")[2]}, {come.rpartition("/")[2]}]
    for each in ("Deployment mcp/clock", "Deployment mcp/assistant"):
        assert before[each].properties["spec"] == after[each].properties["spec"]
    assert changed.changes() == {}


def test_destroy_leaves_nothing(changed: Sandbox) -> None:
    changed.must("destroy", "--yes", "--stack", STACK)
    assert changed.resources() == []
    assert changed.cloud.list() == []


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A fleet whose creation failed at the cluster, then at an add-on, then at a Deployment."""
    folder = tmp_path_factory.mktemp("interrupted")
    faults = [
        {"type": type_, "operation": "create", "fail": f"no capacity for {type_}", "count": 1}
        for type_ in (
            "aws:eks/cluster:Cluster",
            "aws:eks/addon:Addon",
            "kubernetes:apps/v1:Deployment",
        )
    ]
    (folder / "faults.yaml").write_text(yaml.safe_dump(faults))
    plain = create(folder / "stack")
    plain.configure("target", "eks")
    sandbox = Sandbox(plain.folder, {"SANDBOX_FAULTS": str(folder / "faults.yaml")})
    for fault in faults:
        failed = sandbox.run("up", "--yes", "--skip-preview", "--stack", STACK)
        assert failed.returncode != 0
        assert str(fault["fail"]) in failed.stdout
    return sandbox


def test_a_failed_create_is_finished_by_the_next_up(interrupted: Sandbox, tmp_path: Path) -> None:
    sandbox = interrupted.copy(tmp_path / "finished")
    sandbox.up()
    assert sandbox.changes() == {}


def test_what_a_failed_create_has_made_can_be_destroyed(
    interrupted: Sandbox, tmp_path: Path
) -> None:
    sandbox = interrupted.copy(tmp_path / "destroyed")
    sandbox.must("destroy", "--yes", "--stack", STACK)
    assert sandbox.resources() == []
    assert sandbox.cloud.list() == []


# A fleet with all features that one stack can have.


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Managed nodes, some of them spot, two namespaces and a mesh; change only copies."""
    sandbox = create(tmp_path_factory.mktemp("eks") / "full")
    sandbox.configure("target", "eks")
    sandbox.configure("cluster.nodes", "managed")
    sandbox.configure("mesh", "istio")
    sandbox.configure("teams.records", {"pods": 40})
    sandbox.configure("servers.notes.team", "records")
    sandbox.configure("servers.notes.spot", True)
    sandbox.up()
    return sandbox


def test_a_full_fleet_has_no_changes_after_up(full: Sandbox) -> None:
    full.must("preview", "--stack", STACK, "--expect-no-changes")


def test_managed_nodes_are_two_groups_if_a_workload_uses_spare_capacity(full: Sandbox) -> None:
    groups = full.cloud.list("aws", "aws:eks/nodeGroup:NodeGroup")
    assert sorted(each.properties["capacityType"] for each in groups) == ["ON_DEMAND", "SPOT"]
    assert _objects(full, "NodePool") == {}
    addons = {
        each.properties["addonName"] for each in full.cloud.list("aws", "aws:eks/addon:Addon")
    }
    assert addons >= {"vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent"}


def test_a_team_has_a_namespace_of_its_own_and_all_that_holds_in_one(full: Sandbox) -> None:
    found = _objects(full)
    assert _objects(full, "Deployment").keys() == {
        "mcp/clock",
        "records/notes",
        "mcp/assistant",
    }
    for namespace in ("mcp", "records"):
        for each in (
            f"ResourceQuota {namespace}/quota",
            f"LimitRange {namespace}/limits",
            f"NetworkPolicy {namespace}/default-deny",
            f"ConfigMap {namespace}/discovery",
            f"PeerAuthentication {namespace}/strict",
        ):
            assert each in found
    assert found["ResourceQuota records/quota"].properties["spec"]["hard"]["pods"] == "40"
    assert _objects(full, "RoleBinding").keys() == {
        "mcp/discover.assistant",
        "records/discover.assistant",
    }


def test_a_mesh_is_installed_before_anything_is_in_it(full: Sandbox) -> None:
    made = list(full.cloud.list())
    releases = [
        place for place, stored in enumerate(made) if stored.type == "kubernetes:helm.sh/v3:Release"
    ]
    deployments = [
        place for place, stored in enumerate(made) if stored.type == "kubernetes:apps/v1:Deployment"
    ]
    assert len(deployments) == 3
    assert max(releases) < min(deployments)
    # The rest of the id depends on the callers, with their namespaces.
    policies = {id_.partition(".")[0] for id_ in _objects(full, "AuthorizationPolicy")}
    assert policies == {"mcp/assistant", "mcp/clock", "records/notes"}


def test_a_workload_that_moves_stays_where_it_was_until_it_is_ready_where_it_goes(
    full: Sandbox, tmp_path: Path
) -> None:
    copy = full.copy(tmp_path / "moved")
    fault = {"type": "kubernetes:apps/v1:Deployment", "operation": "create", "count": 1}
    (tmp_path / "faults.yaml").write_text(yaml.safe_dump([{**fault, "fail": "no node"}]))
    moved = Sandbox(copy.folder, {"SANDBOX_FAULTS": str(tmp_path / "faults.yaml")})
    moved.configure("teams", {"books": {"pods": 40}})
    moved.configure("servers.notes.team", "books")
    kinds = ("Service", "TargetGroupBinding")
    assert "no node" in _refused(moved, "up", "--skip-preview")
    meanwhile = _objects(moved)
    for kind in kinds:
        assert {f"{kind} records/notes", f"{kind} books/notes"} <= meanwhile.keys()
    assert "Deployment records/notes" in meanwhile
    claims = {"records/files.notes", "books/files.notes"}
    assert _objects(moved, "PersistentVolumeClaim").keys() == claims
    for namespace in ("records", "books"):
        assert f"NetworkPolicy mcp/uses.assistant.notes.{namespace}" in meanwhile
    moved.up()
    found = _objects(moved)
    assert [each for each in found if "records" in each] == []
    for kind in ("Deployment", *kinds):
        assert f"{kind} books/notes" in found
    (volume,) = _objects(moved, "PersistentVolume").values()
    assert volume.id == "mcp-platform-dev.books.notes"
    assert volume.properties["status"] == {"phase": "Bound"}
    assert moved.changes() == {}
    # Back to the first team, with the previous names.
    moved.configure("teams", {"records": {"pods": 40}})
    moved.configure("servers.notes.team", "records")
    moved.up()
    assert _objects(moved).keys() == _objects(full).keys()


def test_a_full_fleet_is_destroyed_to_nothing(full: Sandbox, tmp_path: Path) -> None:
    sandbox = full.copy(tmp_path / "destroyed")
    sandbox.must("destroy", "--yes", "--stack", STACK)
    assert sandbox.resources() == []
    assert sandbox.cloud.list() == []


def test_the_eks_example_comes_up_and_is_destroyed_to_nothing(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    shutil.copy(ROOT / "examples" / "eks" / "Pulumi.eks.yaml", tmp_path)
    sandbox.must("up", "--yes", "--skip-preview", "--stack", "eks")
    assert _objects(sandbox, "Namespace").keys() == {"mcp", "records"}
    assert _objects(sandbox, "NodePool").keys() == {"graviton-on-demand", "graviton-spot"}
    sandbox.must("preview", "--stack", "eks", "--expect-no-changes")
    sandbox.must("destroy", "--yes", "--stack", "eks")
    assert sandbox.cloud.list() == []


# An existing cluster of another owner: here, the first stack.


def _beside(sandbox: Sandbox) -> str:
    """Writes the stack file of a second stack, in the cluster and network of the first one."""
    subnets: dict[str, list[str]] = {"private": [], "public": []}
    vpc = ""
    for each in sandbox.resources():
        name = each["urn"].split("::")[-1]
        if each["type"] == "aws:ec2/subnet:Subnet":
            subnets["public" if "-public-" in name else "private"].append(each["id"])
        if each["type"] == "aws:ec2/vpc:Vpc":
            vpc = each["id"]
    (cluster,) = sandbox.cloud.list("aws", "aws:eks/cluster:Cluster")
    addons = sandbox.cloud.list("aws", "aws:eks/addon:Addon")
    content = yaml.safe_load(sandbox.stack_file.read_text())
    content["config"] |= {
        "mcp-platform:cluster": {
            "existing": {
                "name": cluster.properties["name"],
                "addons": [each.properties["addonName"] for each in addons],
            },
            "namespace": "second",
        },
        "mcp-platform:network": {
            "vpc": {
                "id": vpc,
                "cidr": "10.0.0.0/16",
                "private_subnets": sorted(subnets["private"]),
                "public_subnets": sorted(subnets["public"]),
            }
        },
    }
    (sandbox.folder / "Pulumi.second.yaml").write_text(yaml.safe_dump(content))
    return "second"


def test_a_fleet_in_an_existing_cluster_makes_none_and_leaves_it_as_it_was(
    changed: Sandbox,
) -> None:
    before = {(stored.provider, stored.type, stored.id): stored for stored in changed.cloud.list()}
    stack = _beside(changed)
    changed.must("up", "--yes", "--skip-preview", "--stack", stack)
    changed.must("preview", "--stack", stack, "--expect-no-changes")
    made = [
        stored
        for stored in changed.cloud.list()
        if (stored.provider, stored.type, stored.id) not in before
    ]
    types = {stored.type for stored in made}
    assert not types & {
        "aws:eks/addon:Addon",
        "aws:eks/cluster:Cluster",
        "aws:ec2/vpc:Vpc",
        "kubernetes:karpenter.sh/v1:NodePool",
    }
    assert {stored.id for stored in made if stored.type == "kubernetes:apps/v1:Deployment"} == {
        "second/assistant",
        "second/clock",
        "second/notes",
    }
    changed.must("destroy", "--yes", "--stack", stack)
    after = {(stored.provider, stored.type, stored.id): stored for stored in changed.cloud.list()}
    assert after.keys() == before.keys()
    changed.must("preview", "--stack", STACK, "--expect-no-changes")


def test_an_existing_cluster_that_is_not_there_is_asked_for_before_anything_is_put_in_it(
    changed: Sandbox,
) -> None:
    before = _objects(changed).keys()
    stack = _beside(changed)
    path = changed.folder / f"Pulumi.{stack}.yaml"
    content = yaml.safe_load(path.read_text())
    content["config"]["mcp-platform:cluster"]["existing"]["name"] = "elsewhere"
    path.write_text(yaml.safe_dump(content))
    done = changed.run("up", "--yes", "--skip-preview", "--stack", stack)
    assert done.returncode != 0
    assert "'elsewhere'" in done.stdout + done.stderr
    assert _objects(changed).keys() == before


# Manifests for a repository.


def _rendered(sandbox: Elsewhere) -> dict[str, dict[str, Any]]:
    """The rendered objects, by kind and name."""
    files = (sandbox.program / GIT["path"]).rglob("*.yaml")
    manifests = [yaml.safe_load(path.read_text()) for path in files]
    result = {f"{each['kind']} {object_id(each['metadata'])}": each for each in manifests}
    assert len(result) == len(manifests)
    return result


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """The example fleet, rendered for a repository that Flux applies."""
    folder = tmp_path_factory.mktemp("flux")
    sandbox = create_elsewhere(folder / "stack", copy_program(folder / "program"))
    sandbox.configure("target", "eks")
    sandbox.configure("gitops", {"engine": "flux", **GIT})
    sandbox.up()
    return sandbox


def test_with_gitops_workloads_are_in_files_and_not_in_the_cluster(flux: Elsewhere) -> None:
    rendered, applied = _rendered(flux), _objects(flux)
    assert {each for each in rendered if each.startswith("Deployment ")} == {
        "Deployment mcp/assistant",
        "Deployment mcp/clock",
        "Deployment mcp/notes",
    }
    kinds = {each.partition(" ")[0] for each in applied}
    assert not kinds & {"Deployment", "Service", "ServiceAccount", "NetworkPolicy", "ResourceQuota"}
    assert _objects(flux, "Kustomization").keys() == {"flux-system/mcp-platform-dev"}
    assert _objects(flux, "GitRepository").keys() == {"flux-system/mcp-platform-dev"}


def test_what_is_rendered_is_what_is_applied_without_gitops(
    flux: Elsewhere, clustered: Sandbox
) -> None:
    # The name of a SecretProviderClass ends in a hash of its contents.
    applied, rendered = (
        {re.sub(r"^(SecretProviderClass .*)-[0-9a-f]+$", r"\1", each) for each in found}
        for found in (_objects(clustered), _rendered(flux))
    )
    assert applied - rendered == {"NodePool graviton-on-demand", f"ConfigMap {CNI_CONFIGURATION}"}
    assert rendered - applied == set()


def test_no_secret_is_rendered(flux: Elsewhere) -> None:
    assert not {each for each in _rendered(flux) if each.startswith("Secret ")}
    assert "example-api-key" not in json.dumps(_rendered(flux))


def test_a_rendered_fleet_has_no_changes_after_up(flux: Elsewhere) -> None:
    flux.must("preview", "--stack", STACK, "--expect-no-changes")


def test_a_changed_workload_is_a_changed_file_and_nothing_in_the_cluster(flux: Elsewhere) -> None:
    rendered, applied = _rendered(flux), _objects(flux)
    flux.configure("servers.clock.memory", 2048)
    flux.up()
    now = _rendered(flux)
    assert {each for each in now if now[each] != rendered[each]} == {
        "Deployment mcp/clock",
        "LimitRange mcp/limits",
        "ResourceQuota mcp/quota",
    }
    assert now.keys() == rendered.keys()
    assert {each: stored.properties for each, stored in _objects(flux).items()} == {
        each: stored.properties for each, stored in applied.items()
    }


def test_the_kustomization_points_at_the_folder_that_was_rendered(flux: Elsewhere) -> None:
    spec = _objects(flux, "Kustomization")["flux-system/mcp-platform-dev"].properties["spec"]
    assert spec["path"] == f"./{GIT['path']}"
    assert spec["prune"] is True
    assert (flux.program / spec["path"] / "1-manifest").is_dir()


def test_argo_cd_is_a_capability_of_the_cluster_and_follows_the_repository(tmp_path: Path) -> None:
    sandbox = create_elsewhere(tmp_path / "stack", copy_program(tmp_path / "program"))
    sandbox.configure("target", "eks")
    sandbox.configure("gitops", {"engine": "argocd", "identity_center": IDENTITY_CENTER, **GIT})
    sandbox.up()
    (capability,) = sandbox.cloud.list("aws", "aws:eks/capability:Capability")
    assert capability.properties["type"] == "ARGOCD"
    application = _objects(sandbox, "Application")["argocd/mcp-platform-dev"].properties["spec"]
    assert application["source"]["path"] == GIT["path"]
    assert application["source"]["repoURL"] == GIT["repository"]
    assert _objects(sandbox, "Deployment") == {}
    assert len([each for each in _rendered(sandbox) if each.startswith("Deployment ")]) == 3
    sandbox.must("destroy", "--yes", "--stack", STACK)
    assert sandbox.cloud.list() == []
    assert _rendered(sandbox) == {}


# Refused configurations.


def test_an_object_without_a_provider_goes_to_no_cluster(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(
        "import pulumi_kubernetes as k8s\n\nk8s.core.v1.ConfigMap('stray', data={'a': 'b'})\n"
    )
    sandbox = create_elsewhere(tmp_path / "stack", program)
    assert "Default provider for 'kubernetes' disabled" in _refused(sandbox, "up", "--skip-preview")
    assert sandbox.cloud.list() == []


def test_app_mesh_is_refused_with_the_day_it_ended(empty: Sandbox) -> None:
    empty.configure("target", "eks")
    empty.configure("mesh", "app-mesh")
    assert "2026-09-30" in _refused(empty, "up")
    assert empty.cloud.list() == []
