"""Keys, secrets, images, logs, discovery and files, and their protection."""

import json
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import Any

import pytest

from tests.components.fleets import (
    EKS_FLEETS,
    EXISTING_SECRET,
    FLEETS,
    FOREIGN_IMAGE,
    FULL,
    MINIMAL,
    OLD_IMAGE,
    PRODUCTION,
    PUBLIC_IMAGE,
    with_server,
)
from tests.components.recording import MARKER, Recording, Secret, run

SERVERS = sorted(FULL["servers"])


def _key_arn(recording: Recording) -> str:
    return recording.one("kms.Key").state["arn"]


@pytest.mark.parametrize(("fleet", "days"), [(FULL, 7), (PRODUCTION, 30)])
def test_the_key_rotates_and_in_production_waits_longest_before_it_goes(fleet: Any, days: int):
    recording = run(fleet)
    key = recording.one("kms.Key")
    assert key.inputs["enableKeyRotation"] is True
    assert key.inputs["deletionWindowInDays"] == days
    assert recording.one("kms.Alias").inputs == {
        "name": "alias/mcp-platform-dev",
        "targetKeyId": key.state["keyId"],
    }


def test_the_key_policy_lets_logs_use_it_for_the_log_groups_of_the_stack_and_its_cluster_only():
    statements = {
        each["Sid"]: each for each in run(FULL).one("kms.Key").json("policy")["Statement"]
    }
    assert statements.keys() == {"AccountAdministers", "LogsEncrypt", "AlarmsNotify"}
    logs = statements["LogsEncrypt"]
    assert logs["Principal"] == {"Service": ["logs.us-east-1.amazonaws.com"]}
    assert logs["Condition"] == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                f"arn:aws:logs:us-east-1:123456789012:log-group:{path}/*"
                for path in (
                    "/mcp-platform/dev",
                    "/aws/vendedlogs/states/mcp-platform/dev",
                    "aws-waf-logs-mcp-platform-dev",
                    "/aws/eks/mcp-platform-dev-*",
                    "/aws/containerinsights/mcp-platform-dev-*",
                )
            ]
        }
    }
    notify = statements["AlarmsNotify"]
    assert notify["Principal"] == {"Service": ["cloudwatch.amazonaws.com"]}
    assert notify["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert "Condition" not in notify  # an unmet condition would drop every alarm
    account = statements["AccountAdministers"]["Principal"]
    assert account == {"AWS": ["arn:aws:iam::123456789012:root"]}


def test_every_log_group_has_a_name_that_the_key_policy_covers():
    for fleet in FLEETS.values():
        for group in run(fleet).of("cloudwatch.LogGroup"):
            assert group.inputs["name"].startswith("/mcp-platform/dev/")
    odd = run(MINIMAL, stack_name="Team_A--x")
    names = [group.inputs["name"] for group in odd.of("cloudwatch.LogGroup")]
    assert names == [
        "/mcp-platform/Team_A--x/network/flow-logs",
        "/mcp-platform/Team_A--x/clock",
        "/mcp-platform/Team_A--x/gateway/requests",
        "/mcp-platform/Team_A--x/shells/sessions",
    ]
    condition = odd.one("kms.Key").json("policy")["Statement"][1]["Condition"]["ArnLike"]
    ((own, *_),) = condition.values()
    assert own.endswith(":log-group:/mcp-platform/Team_A--x/*")


@pytest.mark.parametrize("fleet", EKS_FLEETS.values(), ids=EKS_FLEETS)
def test_every_log_group_of_a_cluster_is_covered_by_the_key_policy(fleet: dict[str, Any]):
    recording = run(fleet)
    key = recording.one("kms.Key").json("policy")["Statement"][1]["Condition"]["ArnLike"]
    ((*patterns,),) = key.values()
    for group in recording.of("cloudwatch.LogGroup"):
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group.inputs['name']}"
        assert any(fnmatchcase(arn, pattern) for pattern in patterns)


def test_the_gateway_has_a_log_group_that_no_workload_can_take_and_that_production_keeps():
    named_alike = {"servers": {"gateway": MINIMAL["servers"]["clock"]}}
    recording = run(named_alike)
    gateway = recording.one("cloudwatch.LogGroup", "fleet-observability-gateway-log")
    assert gateway.inputs["name"] == "/mcp-platform/dev/gateway/requests"
    assert gateway.inputs["retentionInDays"] == 30
    assert gateway.inputs["kmsKeyId"] == _key_arn(recording)
    workload = recording.one("cloudwatch.LogGroup", "fleet-observability-gateway-logs")
    assert workload.inputs["name"] == "/mcp-platform/dev/gateway"
    registered = recording.outputs[recording.one("mcp-platform.Observability").urn]
    assert registered["gateway_log_group_name"] == gateway.state["name"]
    assert registered["gateway_log_group_arn"] == gateway.state["arn"]
    # The outputs of the stack contain only log groups of workloads.
    assert recording.exports["log_groups"] == {"gateway": "/mcp-platform/dev/gateway"}
    kept = run(PRODUCTION).one("cloudwatch.LogGroup", "fleet-observability-gateway-log")
    assert (gateway.protect, kept.protect) == (False, True)


def test_everything_that_holds_data_is_encrypted_with_the_key_of_the_stack():
    recording = run(FULL)
    arn = _key_arn(recording)
    assert {made.inputs["kmsKeyId"] for made in recording.of("secretsmanager.Secret")} == {arn}
    assert {made.inputs["kmsKeyId"] for made in recording.of("cloudwatch.LogGroup")} == {arn}
    assert recording.one("efs.FileSystem").inputs["kmsKeyId"] == arn
    assert recording.one("efs.FileSystem").inputs["encrypted"] is True
    assert recording.one("sns.Topic").inputs["kmsMasterKeyId"] == arn
    for made in recording.of("ecr.Repository"):
        assert made.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": arn}]


def test_there_is_a_secret_for_each_that_is_declared_and_not_there_yet_and_a_key_per_server():
    assert run(FULL).names("secretsmanager.Secret") == [
        *(f"fleet-vault-request-state-{server}" for server in SERVERS),
        *(f"fleet-vault-secret-{name}" for name in ("made-up", "notes-api-key", "set-outside")),
    ]


def test_a_secret_gets_its_value_by_its_source_and_an_external_one_none():
    recording = run(FULL)
    values = {
        made.name: made.inputs["secretString"]
        for made in recording.of("secretsmanager.SecretVersion")
    }
    generated = ["secret-made-up", *(f"request-state-{server}" for server in SERVERS)]
    assert values == {
        "fleet-vault-secret-notes-api-key-version": Secret(f"{MARKER}-notes-api-key"),
        **{
            f"fleet-vault-{name}-version": Secret(f"{MARKER}-fleet-vault-{name}-value")
            for name in generated
        },
    }
    for made in recording.of("secretsmanager.SecretVersion"):
        container = made.name.removesuffix("-version")
        arn = recording.one("secretsmanager.Secret", container).state["arn"]
        assert made.inputs["secretId"] == arn
    assert {
        json.dumps(made.inputs, sort_keys=True) for made in recording.of("random.RandomPassword")
    } == {'{"length": 64, "special": false}'}


def test_an_external_secret_without_a_value_is_reported_with_the_command_that_sets_it():
    external = {"source": "external"}
    secrets = {"unset-key": external, "set-key": external}
    fleet = with_server(secrets=[*secrets]) | {"secrets": secrets}
    (warning,) = run(fleet).warnings
    assert warning.startswith(
        "The secret unset-key has no value, so workloads that read it cannot start."
    )
    assert "put-secret-value --secret-id arn:aws:secretsmanager:" in warning
    assert run(fleet, preview=True).warnings == []


def test_a_secret_that_exists_already_is_passed_on_as_it_is():
    recording = run(FULL)
    vault = recording.outputs[recording.one("mcp-platform.Vault").urn]
    assert vault["arns"].keys() == FULL["secrets"].keys()
    assert vault["arns"]["there-already"] == EXISTING_SECRET
    assert vault["request_state_arns"].keys() == FULL["servers"].keys()


@pytest.mark.parametrize(("fleet", "days"), [(FULL, 0), (PRODUCTION, 30)])
def test_a_deleted_secret_can_be_recovered_in_production_only(fleet: Any, days: int):
    recording = run(fleet)
    windows = {
        made.inputs["recoveryWindowInDays"] for made in recording.of("secretsmanager.Secret")
    }
    assert windows == {days}


def test_a_context_that_workloads_share_is_built_once():
    recording = run(FULL)
    assert recording.names("docker-build.Image") == [
        f"fleet-images-workloads-{name}-image" for name in ("assistant", "clock", "notes")
    ]
    uris = recording.outputs[recording.one("mcp-platform.Images").urn]["uris"]
    assert uris["assistant"] == uris["auditor"] != uris["clock"]


def test_images_are_used_by_digest_built_or_given():
    recording = run(FULL)
    uris = recording.outputs[recording.one("mcp-platform.Images").urn]["uris"]
    repository = recording.one("ecr.Repository", "fleet-images-workloads-notes-repository")
    assert uris["notes"] == f"{repository.state['repositoryUrl']}@sha256:{'4' * 64}"
    assert (uris["quiet"], uris["old"]) == (FOREIGN_IMAGE, OLD_IMAGE)
    assert uris.keys() == {*FULL["servers"], *FULL["agents"]}


def test_an_image_is_built_for_arm64_pushed_and_not_built_in_a_preview():
    recording = run(FULL)
    image = recording.one("docker-build.Image", "fleet-images-workloads-clock-image").inputs
    repository = recording.one("ecr.Repository", "fleet-images-workloads-clock-repository")
    url = repository.state["repositoryUrl"]
    assert image["platforms"] == ["linux/arm64"]
    assert (image["push"], image["buildOnPreview"]) == (True, False)
    assert image["dockerfile"] == {"location": "workloads/clock/Dockerfile"}
    assert image["context"]["location"] == "workloads/clock"
    assert image["registries"] == [
        {"address": url, "username": "AWS", "password": Secret(f"{MARKER}-token")}
    ]
    (tag,) = image["tags"]
    assert tag.startswith(f"{url}:")
    content, _, build = tag.removeprefix(f"{url}:").partition("-")
    identity = recording.one("random.RandomId", "fleet-images-workloads-clock-build")
    assert identity.inputs["keepers"] == {
        "content": content,
        "platform": "linux/arm64",
        "builder": f"docker-build {version('pulumi-docker-build')}",
    }
    assert (len(content), build) == (16, identity.state["hex"])


def test_a_repository_is_scanned_immutable_and_keeps_its_newest_images():
    recording = run(FULL)
    for made in recording.of("ecr.Repository"):
        assert made.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert made.inputs["imageTagMutability"] == "IMMUTABLE"
        assert made.inputs["forceDelete"] is True
        lifecycle = made.name.replace("-repository", "-lifecycle")
        policy = recording.one("ecr.LifecyclePolicy", lifecycle)
        assert policy.inputs["repository"] == made.state["name"]
        (rule,) = policy.json("policy")["rules"]
        assert rule["selection"] == {
            "tagStatus": "any",
            "countType": "imageCountMoreThan",
            "countNumber": 20,
        }
    for made in run(PRODUCTION).of("ecr.Repository"):
        assert made.inputs["forceDelete"] is False


def test_folders_whose_names_run_together_are_different_builds():
    fleet = {
        "servers": {
            "one": {"image": {"context": "workloads/clock"}},
            "two": {"image": {"context": "workloads/clock/"}},
            "three": {"image": {"context": "workloads", "dockerfile": "clock/Dockerfile"}},
        }
    }
    built = [made.inputs for made in run(fleet).of("docker-build.Image")]
    assert sorted(
        (made["context"]["location"], made["dockerfile"]["location"]) for made in built
    ) == [
        ("workloads", "workloads/clock/Dockerfile"),
        ("workloads/clock", "workloads/clock/Dockerfile"),
        ("workloads/clock/", "workloads/clock//Dockerfile"),
    ]


def test_further_folders_are_given_to_the_build_by_name():
    image = {"context": "workloads/clock", "additional_contexts": {"common": "workloads/common"}}
    built = run(with_server(image=image)).one("docker-build.Image")
    assert built.inputs["context"] == {
        "location": "workloads/clock",
        "named": {"common": {"location": "workloads/common"}},
    }


def test_a_fleet_of_given_images_needs_no_repository():
    recording = run(with_server(image={"uri": PUBLIC_IMAGE}))
    assert recording.of("ecr.Repository") == recording.of("docker-build.Image") == []


def test_every_workload_has_a_log_group_with_the_configured_retention():
    recording = run(FULL)
    groups = recording.outputs[recording.one("mcp-platform.Observability").urn]["log_group_names"]
    workloads = [*FULL["servers"], *FULL["agents"]]
    assert groups == {name: f"/mcp-platform/dev/{name}" for name in workloads}
    for name in workloads:
        made = recording.one("cloudwatch.LogGroup", f"fleet-observability-{name}-logs")
        assert made.inputs["retentionInDays"] == 90


def test_error_lines_of_a_workload_are_counted_and_alarm_at_the_first():
    recording = run(FULL)
    counted = recording.one("cloudwatch.LogMetricFilter", "fleet-observability-notes-errors").inputs
    alarm = recording.one("cloudwatch.MetricAlarm", "fleet-observability-notes-errors-alarm").inputs
    assert counted["logGroupName"] == "/mcp-platform/dev/notes"
    assert counted["pattern"] == '{ ($.level = "ERROR") || ($.level = "CRITICAL") }'
    metric = counted["metricTransformation"]
    assert (metric["value"], metric["defaultValue"]) == ("1", "0")
    assert (alarm["namespace"], alarm["metricName"]) == (metric["namespace"], metric["name"])
    assert (alarm["statistic"], alarm["threshold"], alarm["evaluationPeriods"]) == ("Sum", 1, 1)


def test_alarms_are_mailed_to_the_configured_address_only():
    recording = run(FULL)
    assert recording.one("sns.TopicSubscription").inputs == {
        "topic": recording.one("sns.Topic").state["arn"],
        "protocol": "email",
        "endpoint": "ops@example.com",
    }
    assert run(MINIMAL).of("sns.TopicSubscription") == []
    assert len(run(MINIMAL).of("sns.Topic")) == 1


def test_servers_are_found_in_a_private_namespace_of_the_stack():
    namespace = run(MINIMAL, stack_name="team-a").one("servicediscovery.PrivateDnsNamespace")
    assert namespace.inputs["name"] == "mcp-platform-team-a.internal"


def test_without_files_there_is_no_storage():
    assert [made for made in run(MINIMAL).resources.values() if made.kind.startswith("efs.")] == []
    assert run(MINIMAL).of("mcp-platform.Storage") == []


def test_every_workload_with_files_has_a_folder_of_its_own_and_every_zone_a_mount_target():
    recording = run(FULL)
    vpc, files = recording.one("awsx.Vpc").state, recording.one("efs.FileSystem")
    points = {
        made.name: made.inputs["rootDirectory"]["path"] for made in recording.of("efs.AccessPoint")
    }
    assert points == {"fleet-storage-notes": "/notes", "fleet-storage-auditor": "/auditor"}
    group = recording.one("ec2.SecurityGroup", "fleet-storage-group")
    targets = [made.inputs for made in recording.of("efs.MountTarget")]
    assert targets == [
        {"fileSystemId": files.id, "subnetId": subnet, "securityGroups": [group.id]}
        for subnet in vpc["privateSubnetIds"]
    ]


def test_the_file_system_requires_tls_and_its_mount_targets():
    policy = run(FULL).one("efs.FileSystemPolicy").json("policy")
    allow, deny = policy["Statement"]
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert allow["Condition"] == {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}
    assert "elasticfilesystem:ClientRootAccess" not in allow["Action"]
    assert deny["Principal"] == {"AWS": ["*"]}
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_files_are_backed_up_in_production_only():
    backup = run(PRODUCTION).one("efs.BackupPolicy")
    assert backup.inputs["backupPolicy"] == {"status": "ENABLED"}
    assert run(FULL).of("efs.BackupPolicy") == []


HOLDS_DATA = {
    "cloudwatch.LogGroup",
    "ecr.Repository",
    "efs.AccessPoint",
    "efs.FileSystem",
    "kms.Key",
    "secretsmanager.Secret",
}


def test_in_production_exactly_what_holds_data_is_protected():
    made = run(PRODUCTION).resources.values()
    assert {each.kind for each in made if each.protect} == HOLDS_DATA
    assert {each.kind for each in made if not each.protect} & HOLDS_DATA == set()


def test_outside_production_nothing_is_protected():
    assert [made.urn for made in run(FULL).resources.values() if made.protect] == []
