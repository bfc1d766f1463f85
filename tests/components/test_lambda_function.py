"""The functions of the Lambda target: their settings, variables and permissions."""

import json
from typing import Any

import pytest

from tests.components.fleets import EXISTING_VPC, LAMBDA, LAMBDA_FULL, MINIMAL, MODEL
from tests.components.recording import API_ID, Recording, Resource, run

CONTAINERS = ["assistant", "clock", "notes", "search"]
FUNCTIONS = sorted(
    [
        *(f"lambda-{name}-function" for name in CONTAINERS),
        "lambda-gateway_tokens-function",
        "lambda-quick-tools-function",
        "lambda-researcher-tools-function",
    ]
)
API_HOST = f"{API_ID}.execute-api.us-east-1.amazonaws.com"


def _function(recording: Recording, stem: str) -> Resource:
    return recording.one("lambda.Function", f"lambda-{stem}-function")


def _variables(recording: Recording, stem: str) -> dict[str, str]:
    return _function(recording, stem).inputs["environment"]["variables"]


def _statements(recording: Recording, stem: str) -> dict[str, dict[str, Any]]:
    names = (f"lambda-{stem}-role-policy", f"lambda-{stem}-inside-role-policy")
    (made,) = (made for made in recording.of("iam.RolePolicy") if made.name in names)
    policy = made.json("policy")
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def _arn(resource: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:{resource}"


def test_the_function_of_the_least_server_in_full():
    recording = run(LAMBDA)
    function = _function(recording, "clock")
    repository = recording.one("ecr.Repository").state["repositoryUrl"]
    key = recording.one("kms.Key").state["arn"]
    state_key = recording.one("secretsmanager.Secret", "fleet-vault-request-state-clock")
    version = recording.one("secretsmanager.SecretVersion")
    inputs = dict(function.inputs)
    references = json.loads(inputs["environment"]["variables"].pop("SECRET_REFERENCES"))
    assert references == {
        "REQUEST_STATE_KEY": {
            "SecretId": state_key.state["arn"],
            "VersionId": version.state["versionId"],
        }
    }
    assert inputs == {
        "name": "mcp-platform-dev-clock",
        "description": "clock of mcp-platform-dev",
        "packageType": "Image",
        "imageUri": f"{repository}@sha256:{'4' * 64}",
        "architectures": ["arm64"],
        "memorySize": 512,
        "timeout": 65,
        "role": recording.one("iam.Role", "lambda-clock-role").state["arn"],
        "publish": True,
        "kmsKeyArn": key,
        "loggingConfig": {"logFormat": "JSON", "logGroup": "/mcp-platform/dev/clock"},
        "tracingConfig": {"mode": "Active"},
        "environment": {
            "variables": {
                "AWS_LWA_INVOKE_MODE": "response_stream",
                "AWS_LWA_PASS_THROUGH_PATH": "/events",
                "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS": "200",
                "AWS_LWA_READINESS_CHECK_PATH": "/health",
                "AWS_LWA_REMOVE_BASE_PATH": "/servers/clock",
                "KEEP_ALIVE_SECONDS": "305",
                "MAX_REQUEST_SECONDS": "60",
                "MCP_ALLOWED_HOSTS": API_HOST,
                "MCP_ALLOWED_ORIGINS": f"https://{API_HOST}",
                "MCP_SESSIONS": "stateless",
                "PORT": "8080",
                "STOP_TIMEOUT_SECONDS": "60",
            }
        },
    }


def test_every_container_is_a_function_and_so_is_what_checks_tokens_and_calls_tools():
    assert run(LAMBDA_FULL).names("lambda.Function") == FUNCTIONS
    assert run(LAMBDA).names("lambda.Function") == ["lambda-clock-function"]


def test_every_function_publishes_versions_and_is_called_by_its_alias_live():
    recording = run(LAMBDA_FULL)
    assert all(made.inputs["publish"] for made in recording.of("lambda.Function"))
    aliases = {made.name: made.inputs for made in recording.of("lambda.Alias")}
    assert aliases == {
        name.replace("-function", "-live"): {
            "name": "live",
            "functionName": recording.one("lambda.Function", name).inputs["name"],
            "functionVersion": "1",
        }
        for name in FUNCTIONS
    }
    assert {made.inputs["qualifier"] for made in recording.of("lambda.Permission")} == {"live"}


@pytest.mark.parametrize(
    ("stem", "memory", "timeout"),
    [
        ("clock", 512, 65),
        ("notes", 3538, 900),  # 2048 CPU units are two vCPU
        ("gateway_tokens", 512, 10),
        ("researcher-tools", 512, 900),  # the time limit of its server
        ("quick-tools", 512, 65),
    ],
)
def test_memory_and_timeout_follow_from_what_a_workload_needs(stem: str, memory: int, timeout: int):
    function = _function(run(LAMBDA_FULL), stem).inputs
    assert (function["memorySize"], function["timeout"]) == (memory, timeout)


def test_concurrency_is_reserved_and_kept_warm_only_where_asked():
    recording = run(LAMBDA_FULL)
    reserved = {
        made.name: made.inputs["reservedConcurrentExecutions"]
        for made in recording.of("lambda.Function")
        if "reservedConcurrentExecutions" in made.inputs
    }
    assert reserved == {"lambda-clock-function": 20}
    warm = {
        made.name: (made.inputs["provisionedConcurrentExecutions"], made.ignore_changes)
        for made in recording.of("lambda.ProvisionedConcurrencyConfig")
    }
    assert warm == {
        "lambda-clock-warm": (2, ["provisionedConcurrentExecutions"]),
        "lambda-notes-warm": (1, []),
    }
    triggers = {
        made.name: (made.replacement_trigger, made.replace_on_changes, made.delete_before_replace)
        for made in recording.of("lambda.ProvisionedConcurrencyConfig")
    }
    assert triggers == {
        "lambda-clock-warm": ("autoscaled", ["#initerror"], True),
        "lambda-notes-warm": ("fixed", ["#initerror"], True),
    }


def test_what_is_kept_warm_follows_the_use_between_its_bounds():
    recording = run(LAMBDA_FULL)
    target = recording.one("appautoscaling.Target")
    assert target.inputs == {
        "minCapacity": 2,
        "maxCapacity": 8,
        "resourceId": "function:mcp-platform-dev-clock:live",
        "scalableDimension": "lambda:function:ProvisionedConcurrency",
        "serviceNamespace": "lambda",
    }
    policy = recording.one("appautoscaling.Policy").inputs
    assert policy["targetTrackingScalingPolicyConfiguration"] == {
        "targetValue": 0.7,
        "predefinedMetricSpecification": {
            "predefinedMetricType": "LambdaProvisionedConcurrencyUtilization"
        },
    }


def test_only_workloads_with_files_or_private_addresses_are_in_the_network():
    recording = run(LAMBDA_FULL)
    inside = [made for made in recording.of("lambda.Function") if "vpcConfig" in made.inputs]
    assert [made.name for made in inside] == ["lambda-notes-function", "lambda-search-function"]
    for made in inside:
        group = recording.one("ec2.SecurityGroup", made.name.replace("-function", "-group"))
        assert made.inputs["vpcConfig"]["securityGroupIds"] == [group.id]
        assert len(made.inputs["vpcConfig"]["subnetIds"]) == 3


def _names(fleet: dict[str, Any]) -> dict[str, str]:
    return {made.name: made.inputs["name"] for made in run(fleet).of("lambda.Function")}


PRIVATE = {**MINIMAL["servers"]["clock"], "private_network": True}
INSIDE: dict[str, Any] = {**LAMBDA, "servers": {"clock": PRIVATE}}
MOVES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "out of the network": (INSIDE, LAMBDA),
    "to fewer zones": ({**INSIDE, "network": {"zones": 3}}, {**INSIDE, "network": {"zones": 2}}),
    "to other zones": (
        {**INSIDE, "network": {"zone_names": ["us-east-1a", "us-east-1b"]}},
        {**INSIDE, "network": {"zone_names": ["us-east-1f", "us-east-1b"]}},
    ),
    "to other addresses": (INSIDE, {**INSIDE, "network": {"cidr": "10.9.0.0/16"}}),
    "to another network": (INSIDE, {**INSIDE, "network": EXISTING_VPC}),
}


@pytest.mark.parametrize(("before", "after"), MOVES.values(), ids=MOVES)
def test_a_function_of_other_subnets_is_another_one_since_its_versions_hold_the_old_ones(
    before: dict[str, Any], after: dict[str, Any]
):
    assert set(_names(before).values()).isdisjoint(_names(after).values())


def test_nothing_but_the_subnets_makes_a_function_of_the_network_another_one():
    changed = {
        **INSIDE,
        "servers": {"clock": {**PRIVATE, "memory": 2048, "storage": {"mount": "/data"}}},
        "network": {"nat": "per-zone"},
    }
    assert _names(changed) == _names(INSIDE)
    assert _names(LAMBDA) == {"lambda-clock-function": "mcp-platform-dev-clock"}


def test_a_function_that_leaves_the_network_takes_another_role_and_one_that_joins_keeps_its_own():
    """The role that deletes the network interfaces remains until the former function is deleted."""
    left, joined = run(LAMBDA), run(INSIDE)
    assert left.one("iam.Role", "lambda-clock-role").aliases == []
    role = joined.one("iam.Role", "lambda-clock-inside-role")
    policy = joined.one("iam.RolePolicy", "lambda-clock-inside-role-policy")
    assert (role.aliases, policy.aliases) == (["lambda-clock-role"], ["lambda-clock-role-policy"])


def test_only_functions_in_the_network_wait_for_egress():
    recording = run(LAMBDA_FULL)
    waiting = [
        made.name
        for made in recording.of("lambda.Function")
        if any("ec2/route:Route" in urn for urn in made.dependencies)
    ]
    assert waiting == ["lambda-notes-function", "lambda-search-function"]


def test_files_are_mounted_below_mnt_and_the_workload_gets_the_path():
    recording = run(LAMBDA_FULL)
    mounted = {
        made.name: made.inputs["fileSystemConfig"]
        for made in recording.of("lambda.Function")
        if "fileSystemConfig" in made.inputs
    }
    assert mounted == {
        "lambda-notes-function": {
            "arn": recording.one("efs.AccessPoint").state["arn"],
            "localMountPath": "/mnt/data",
        }
    }
    assert _variables(recording, "notes")["FILES_DIR"] == "/mnt/data"
    targets = {made.urn for made in recording.of("efs.MountTarget")}
    assert targets <= set(_function(recording, "notes").dependencies)


def test_the_groups_of_functions_reach_https_and_their_own_files_and_have_no_ingress():
    recording = run(LAMBDA_FULL)
    groups = {made.id: made.name for made in recording.of("ec2.SecurityGroup")}
    out = [
        (groups[made.inputs["securityGroupId"]], made.inputs["toPort"])
        for made in recording.of("vpc.SecurityGroupEgressRule")
    ]
    into = [
        (groups[made.inputs["securityGroupId"]], made.inputs["toPort"])
        for made in recording.of("vpc.SecurityGroupIngressRule")
    ]
    assert sorted(out) == [
        ("lambda-notes-group", 443),
        ("lambda-notes-group", 2049),
        ("lambda-search-group", 443),
    ]
    assert into == [("fleet-storage-group", 2049)]


def test_no_secret_value_is_in_the_environment_but_where_each_is():
    recording = run(LAMBDA_FULL)
    for name in CONTAINERS:
        variables = _variables(recording, name)
        assert not {"NOTES_API_KEY", "MADE_UP", "REQUEST_STATE_KEY"} & variables.keys()
    told = {
        name: json.loads(_variables(recording, name).get("SECRET_REFERENCES", "{}"))
        for name in CONTAINERS
    }
    assert {name: sorted(secrets) for name, secrets in told.items()} == {
        "assistant": [],
        "clock": ["REQUEST_STATE_KEY"],
        "notes": ["MADE_UP", "NOTES_API_KEY", "REQUEST_STATE_KEY"],
        "search": ["REQUEST_STATE_KEY", "SET_OUTSIDE"],
    }
    outside = recording.one("secretsmanager.Secret", "fleet-vault-secret-set-outside")
    assert told["search"]["SET_OUTSIDE"] == {"SecretId": outside.state["arn"]}
    made = recording.one("secretsmanager.SecretVersion", "fleet-vault-secret-made-up-version")
    assert told["notes"]["MADE_UP"]["VersionId"] == made.state["versionId"]


def test_an_agent_gets_its_servers_at_the_signed_api_and_signs():
    recording = run(LAMBDA_FULL)
    variables = _variables(recording, "assistant")
    assert json.loads(variables["MCP_SERVERS"]) == {
        name: f"https://{API_HOST}/live/servers/{name}/mcp" for name in ("clock", "search")
    }
    assert variables["MCP_SERVERS_AUTH"] == "sigv4"
    assert variables["AWS_LWA_REMOVE_BASE_PATH"] == "/agents/assistant"
    assert variables["CHAT_ENDPOINT"] == f"https://{API_HOST}/live"
    assert variables["MCP_ALLOWED_HOSTS"] == f"mcp.example.com,{API_HOST}"
    tools = _variables(recording, "researcher-tools")
    assert tools == {
        "MCP_SERVERS": json.dumps({"notes": f"https://{API_HOST}/live/servers/notes/mcp"}),
        "MCP_SERVERS_AUTH": "sigv4",
    }


def test_the_authorizer_has_issuer_audience_keys_and_the_allowed_blocks_of_chats():
    recording = run(LAMBDA_FULL)
    auth = LAMBDA_FULL["gateway"]["auth"]
    assert _variables(recording, "gateway_tokens") == {
        "ALLOW_CIDRS": "203.0.113.0/24",
        "AUTH_ISSUER": auth["issuer"],
        "AUTH_AUDIENCE": auth["audience"],
        "AUTH_JWKS_URI": auth["jwks_uri"],
    }
    function = _function(recording, "gateway_tokens").inputs
    assert function["imageConfig"] == {"commands": ["authorizer.handle"]}
    assert sorted(_statements(recording, "gateway_tokens")) == [
        "ReadOwnVariables",
        "SendTraces",
        "WriteOwnLogs",
    ]


def test_a_workload_may_do_what_it_needs_and_nothing_else():
    recording = run(LAMBDA_FULL)
    always = {"WriteOwnLogs", "SendTraces", "ReadOwnVariables"}
    network = {"LambdaJoinsNetwork", "FunctionDoesNot"}
    secrets = {"ReadOwnSecrets", "DecryptSecrets"}
    assert {name: set(_statements(recording, name)) - always for name in CONTAINERS} == {
        "assistant": {
            "InvokeOwnModels",
            "InvokeOwnProfiles",
            "InvokeModelsOfProfiles",
            "UseOwnServers",
            "AnswerOwnChats",
        },
        "clock": secrets,
        "notes": secrets | network | {"MountOwnFiles"},
        "search": secrets | network,
    }


def test_an_agent_may_call_the_routes_of_its_servers_only():
    recording = run(LAMBDA_FULL)
    internal = recording.one("apigateway.RestApi", "lambda-internal-rest").state["executionArn"]
    assert _statements(recording, "assistant")["UseOwnServers"] == {
        "Sid": "UseOwnServers",
        "Effect": "Allow",
        "Action": ["execute-api:Invoke"],
        "Resource": [f"{internal}/live/*/servers/{name}/mcp" for name in ("clock", "search")],
    }
    assert _statements(recording, "quick-tools")["UseOwnServers"]["Resource"] == [
        f"{internal}/live/*/servers/clock/mcp"
    ]


def test_an_agent_answers_on_the_connections_of_its_own_chat_only():
    recording = run(LAMBDA_FULL)
    chat = recording.one("apigatewayv2.Api").state["executionArn"]
    statement = _statements(recording, "assistant")["AnswerOwnChats"]
    assert statement["Action"] == ["execute-api:ManageConnections"]
    assert statement["Resource"] == [f"{chat}/live/POST/@connections/*"]


def test_a_function_may_not_do_itself_what_puts_it_into_the_network():
    statements = _statements(run(LAMBDA_FULL), "notes")
    allowed, denied = statements["LambdaJoinsNetwork"], statements["FunctionDoesNot"]
    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert allowed["Action"] == denied["Action"]
    assert denied["Condition"] == {
        "ArnLike": {
            "lambda:SourceFunctionArn": [
                _arn("function:mcp-platform-dev-notes"),
                _arn("function:mcp-platform-dev-notes_???????"),
            ]
        }
    }


def test_variables_are_decrypted_for_the_function_that_they_belong_to():
    statement = _statements(run(LAMBDA_FULL), "clock")["ReadOwnVariables"]
    assert statement["Condition"] == {
        "StringLike": {
            "kms:EncryptionContext:aws:lambda:FunctionArn": [
                _arn("function:mcp-platform-dev-clock"),
                _arn("function:mcp-platform-dev-clock:*"),
            ]
        }
    }
    statement = _statements(run(LAMBDA_FULL), "notes")["ReadOwnVariables"]
    (names,) = statement["Condition"]["StringLike"].values()
    assert names == [
        _arn(f"function:mcp-platform-dev-notes{ending}")
        for ending in ("", ":*", "_???????", "_???????:*")
    ]


def test_lambda_takes_the_roles_of_functions_without_a_condition_that_it_does_not_send():
    recording = run(LAMBDA_FULL)
    (statement,) = recording.one("iam.Role", "lambda-clock-role").json("assumeRolePolicy")[
        "Statement"
    ]
    assert statement["Principal"] == {"Service": ["lambda.amazonaws.com"]}
    assert "Condition" not in statement


def test_lambda_may_pull_every_image_that_is_built_before_a_function_is_made():
    recording = run(LAMBDA_FULL)
    policies = recording.of("ecr.RepositoryPolicy")
    assert {made.inputs["repository"] for made in policies} == {
        made.state["name"] for made in recording.of("ecr.Repository")
    }
    (statement,) = policies[0].json("policy")["Statement"]
    assert statement == {
        "Sid": "LambdaPulls",
        "Effect": "Allow",
        "Principal": {"Service": ["lambda.amazonaws.com"]},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"ArnLike": {"aws:SourceArn": _arn("function:*")}},
    }
    for made in recording.of("lambda.Function"):
        assert {policy.urn for policy in policies} <= set(made.dependencies)


def test_the_image_of_the_platform_itself_goes_with_the_target_even_in_production():
    recording = run({**LAMBDA_FULL, "production": True})
    platform = recording.one("ecr.Repository", "lambda-platform-repository")
    assert (platform.protect, platform.inputs["forceDelete"]) == (False, True)
    own = recording.one("ecr.Repository", "fleet-images-workloads-clock-repository")
    assert (own.protect, own.inputs["forceDelete"]) == (True, False)


def test_nothing_of_the_target_is_protected_in_production_so_that_it_can_be_switched():
    recording = run({**LAMBDA_FULL, "production": True})
    protected = {made.name for made in recording.resources.values() if made.protect}
    assert [name for name in protected if name.startswith("lambda")] == []


def test_every_function_has_alarms_on_its_errors_its_refusals_and_its_time():
    recording = run(LAMBDA_FULL)
    alarms = {made.name: made.inputs for made in recording.of("cloudwatch.MetricAlarm")}
    for name in FUNCTIONS:
        stem = name.removesuffix("-function").removesuffix("-tools")
        function = recording.one("lambda.Function", name).inputs
        metrics = {
            suffix: alarms[f"{stem}-{suffix}-alarm"]
            for suffix in ("errors", "throttles", "duration")
        }
        assert {each["dimensions"]["FunctionName"] for each in metrics.values()} == {
            function["name"]
        }
        assert metrics["duration"]["threshold"] == round(function["timeout"] * 900)


def test_a_chat_message_that_fails_or_is_lost_raises_an_alarm_immediately():
    recording = run(LAMBDA_FULL)
    alarms = {made.name: made.inputs for made in recording.of("cloudwatch.MetricAlarm")}
    assert _variables(recording, "assistant")["AWS_LWA_ERROR_STATUS_CODES"] == "599"
    failed, dropped = (alarms[f"lambda-assistant-{what}-alarm"] for what in ("errors", "dropped"))
    assert (failed["metricName"], failed["evaluationPeriods"], failed["threshold"]) == (
        "Errors",
        1,
        1,
    )
    assert (dropped["metricName"], dropped["evaluationPeriods"], dropped["threshold"]) == (
        "AsyncEventsDropped",
        1,
        1,
    )
    assert dropped["dimensions"] == failed["dimensions"]
    assert [name for name in alarms if name.endswith("-dropped-alarm")] == [
        "lambda-assistant-dropped-alarm"
    ]
    assert "AWS_LWA_ERROR_STATUS_CODES" not in _variables(recording, "clock")


def _kept_active(*names: str) -> dict[str, Any]:
    fleet = json.loads(json.dumps(LAMBDA_FULL))
    for section in ("servers", "agents"):
        for name in set(fleet[section]) & set(names):
            fleet[section][name].setdefault("concurrency", {})["keep_active"] = True
    return fleet


def test_functions_are_invoked_once_a_week_only_where_asked():
    assert run(LAMBDA_FULL).of("scheduler.Schedule") == []
    recording = run(_kept_active("clock", "researcher"))
    schedules = {made.name: made.inputs for made in recording.of("scheduler.Schedule")}
    keeper = recording.one("iam.Role", "lambda-keeper")
    live = {
        name: recording.one("lambda.Alias", f"lambda-{name}-live").state["arn"]
        for name in ("clock", "researcher-tools", "gateway_tokens")
    }
    assert {name: one["target"]["arn"] for name, one in schedules.items()} == {
        "lambda-clock-active": live["clock"],
        "lambda-researcher-active": live["researcher-tools"],
        "lambda-gateway_tokens-active": live["gateway_tokens"],
    }
    assert {one["scheduleExpression"] for one in schedules.values()} == {"rate(7 days)"}
    assert {one["target"]["roleArn"] for one in schedules.values()} == {keeper.state["arn"]}
    (statement,) = recording.one("iam.RolePolicy", "lambda-keeper-policy").json("policy")[
        "Statement"
    ]
    assert statement["Action"] == ["lambda:InvokeFunction"]
    assert sorted(statement["Resource"]) == sorted(live.values())
    events = {name: json.loads(one["target"]["input"]) for name, one in schedules.items()}
    health = events["lambda-clock-active"]
    assert (health["httpMethod"], health["path"]) == ("GET", "/health")
    assert events["lambda-researcher-active"] == {"list": True}
    assert events["lambda-gateway_tokens-active"] == {"keep_active": True}


def test_the_names_of_functions_fit_64_characters_with_the_longest_there_are():
    name = "a" * 32
    fleet = {
        "target": "lambda",
        "agents": {name: {"runs_as": "state-machine", "models": [MODEL]}},
        "servers": {"b" * 32: {"image": {"context": "workloads/clock"}, "private_network": True}},
    }
    recording = run(fleet, stack_name="s" * 60)
    names = [made.inputs["name"] for made in recording.of("lambda.Function")]
    assert len(names) == len(set(names)) == 2
    assert all(len(each) <= 64 for each in names)
    assert len(recording.one("sfn.StateMachine").inputs["name"]) <= 80
