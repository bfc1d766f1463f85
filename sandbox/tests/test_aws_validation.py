"""The errors that the aws provider reports in Check, by kind of error, on several types."""

import json
from typing import Any

import pytest

from sandbox.values.wire import UNKNOWN

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
KEY = "aws:kms/key:Key"
SECRET = "aws:secretsmanager/secret:Secret"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SERVICE = "aws:ecs/service:Service"
CLUSTER = "aws:ecs/cluster:Cluster"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
FUNCTION = "aws:lambda/function:Function"

SUBNET_ID = "subnet-0123456789abcdef0"
GROUP_ID = "sg-0123456789abcdef0"
VPC_ID = "vpc-0123456789abcdef0"
ROLE_ARN = "arn:aws:iam::123456789012:role/app"
TARGET_ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/app/0123456789abcdef"
BALANCER_ARN = (
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/a/0123456789abcdef"
)


def trust(**changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{k: v for k, v in {**statement, **changes}.items() if v is not None}],
        }
    )


def allow(**changes: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{k: v for k, v in {**statement, **changes}.items() if v is not None}],
        }
    )


def task(**changes: Any) -> dict[str, Any]:
    return {
        "family": "app",
        "cpu": "256",
        "memory": "512",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "containerDefinitions": json.dumps([{"name": "app", "image": "app:1"}]),
        **changes,
    }


GOOD: dict[str, dict[str, Any]] = {
    VPC: {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": {"Name": "net"}},
    SUBNET: {"vpcId": VPC_ID, "cidrBlock": "10.0.1.0/24", "availabilityZone": "us-east-1a"},
    GROUP: {"vpcId": VPC_ID, "description": "of the gateway"},
    INGRESS: {
        "securityGroupId": GROUP_ID,
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrIpv4": "10.0.0.0/8",
    },
    ROLE: {"assumeRolePolicy": trust()},
    ROLE_POLICY: {"role": "app", "policy": allow()},
    KEY: {"enableKeyRotation": True, "deletionWindowInDays": 7},
    SECRET: {"recoveryWindowInDays": 0},
    LOG_GROUP: {"retentionInDays": 30},
    ALARM: {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 1,
        "metricName": "m",
        "namespace": "n",
        "period": 60,
        "statistic": "Sum",
        "threshold": 1,
    },
    TASK: task(),
    SERVICE: {
        "taskDefinition": "app:1",
        "desiredCount": 1,
        "launchType": "FARGATE",
        "networkConfiguration": {"subnets": [SUBNET_ID], "securityGroups": [GROUP_ID]},
    },
    BALANCER: {"subnets": [SUBNET_ID], "securityGroups": [GROUP_ID], "idleTimeout": 60},
    TARGETS: {
        "port": 8080,
        "protocol": "HTTP",
        "targetType": "ip",
        "vpcId": VPC_ID,
        "healthCheck": {"path": "/health"},
    },
    LISTENER: {
        "loadBalancerArn": BALANCER_ARN,
        "port": 80,
        "protocol": "HTTP",
        "defaultActions": [{"type": "forward", "targetGroupArn": TARGET_ARN}],
    },
    FUNCTION: {
        "role": ROLE_ARN,
        "packageType": "Image",
        "imageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1",
        "timeout": 900,
    },
}


@pytest.mark.parametrize("type_", GOOD)
def test_good_inputs_are_accepted_without_a_warning(account: Any, type_: str):
    assert account.reasons(type_, GOOD[type_]) == []
    assert account.warnings == []


@pytest.mark.parametrize("type_", GOOD)
def test_an_unknown_property_is_refused_by_its_name(account: Any, type_: str):
    reasons = account.reasons(type_, {**GOOD[type_], "colour": "red"})
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{type_}: colour is not a property")
    assert "Allowed: " in reasons[0]


def test_an_unknown_property_below_the_top_is_refused_by_its_path(account: Any):
    wrong = {**GOOD[SERVICE], "networkConfiguration": {"subnets": [SUBNET_ID], "subnet": "x"}}
    failures = account.check(SERVICE, wrong).failures
    assert [failure.path for failure in failures] == [("networkConfiguration", "subnet")]
    assert "did you mean 'subnets'?" in failures[0].reason


MISSING = [
    (SUBNET, "vpcId"),
    (ROLE, "assumeRolePolicy"),
    (ROLE_POLICY, "role"),
    (INGRESS, "ipProtocol"),
    (TASK, "family"),
    (TASK, "containerDefinitions"),
    (LISTENER, "defaultActions"),
    (LISTENER, "loadBalancerArn"),
    (FUNCTION, "role"),
]


@pytest.mark.parametrize(("type_", "name"), MISSING)
def test_a_missing_property_is_refused_by_its_name(account: Any, type_: str, name: str):
    inputs = {key: value for key, value in GOOD[type_].items() if key != name}
    assert account.reasons(type_, inputs) == [f"{type_}: {name} is missing; it is required"]


def test_a_missing_property_below_the_top_is_refused_by_its_path(account: Any):
    wrong = {**GOOD[LISTENER], "defaultActions": [{"targetGroupArn": TARGET_ARN}]}
    failures = account.check(LISTENER, wrong).failures
    assert [failure.path for failure in failures] == [("defaultActions", 0, "type")]


WRONG = [
    # wrong type
    (VPC, {"enableDnsHostnames": "perhaps"}, "'perhaps' is not true or false"),
    (VPC, {"tags": ["Name"]}, "['Name'] is not a map"),
    (SERVICE, {"desiredCount": "many"}, "'many' is not an integer"),
    (SERVICE, {"desiredCount": 1.5}, "1.5 is not an integer"),
    (SERVICE, {"networkConfiguration": [SUBNET_ID]}, "is not an object"),
    (BALANCER, {"subnets": SUBNET_ID}, "is not a list"),
    (LOG_GROUP, {"name": {"a": 1}}, "is not a string"),
    # bad enum
    (SERVICE, {"launchType": "fargate"}, "'fargate' is not allowed; allowed: "),
    (ALARM, {"comparisonOperator": "MoreThan"}, "'MoreThan' is not allowed; allowed: "),
    (LOG_GROUP, {"retentionInDays": 31}, "31 is not allowed; allowed: 0, 1, 3, 5, 7, 14, 30"),
    (SECRET, {"recoveryWindowInDays": 5}, "5 is not allowed; allowed: 0, 7, 8"),
    (TASK, {"networkMode": "awsVpc"}, "'awsVpc' is not allowed; allowed: none, bridge, awsvpc"),
    (TARGETS, {"targetType": "pod"}, "'pod' is not allowed; allowed: "),
    (LISTENER, {"defaultActions": [{"type": "drop"}]}, "'drop' is not allowed; allowed: "),
    # out of range
    (KEY, {"deletionWindowInDays": 6}, "6 is below the minimum of 7"),
    (KEY, {"deletionWindowInDays": 31}, "31 is above the maximum of 30"),
    (BALANCER, {"idleTimeout": 0}, "0 is below the minimum of 1"),
    (BALANCER, {"idleTimeout": 4001}, "4001 is above the maximum of 4000"),
    (TARGETS, {"deregistrationDelay": 3601}, "3601 is above the maximum of 3600"),
    (INGRESS, {"toPort": 65536}, "65536 is above the maximum of 65535"),
    (FUNCTION, {"timeout": 901}, "901 is above the maximum of 900"),
    (FUNCTION, {"memorySize": 127}, "127 is below the minimum of 128"),
    # too long
    (ROLE, {"name": "r" * 65}, "has 65 characters; at most 64 are allowed"),
    (BALANCER, {"name": "b" * 33}, "has 33 characters; at most 32 are allowed"),
    (TARGETS, {"name": "t" * 33}, "has 33 characters; at most 32 are allowed"),
    (GROUP, {"description": "d" * 256}, "has 256 characters; at most 255 are allowed"),
    (SECRET, {"name": "s" * 513}, "has 513 characters; at most 512 are allowed"),
    # bad pattern
    (ROLE, {"name": "my role"}, "'my role' does not match the pattern"),
    (LOG_GROUP, {"name": "/app logs"}, "'/app logs' does not match the pattern"),
    (CLUSTER, {"name": "a.b"}, "'a.b' does not match the pattern"),
    (GROUP, {"name": "sg-mine"}, "'sg-mine' does not match the pattern"),
    (VPC, {"cidrBlock": "10.0.0.0/29"}, "'10.0.0.0/29' does not match the pattern"),
    (VPC, {"cidrBlock": "10.0.0.1/16"}, "is not a network in CIDR notation"),
    (SUBNET, {"availabilityZone": "a"}, "'a' is not an availability zone"),
    # id of the wrong kind
    (SUBNET, {"vpcId": SUBNET_ID}, f"'{SUBNET_ID}' is not a VPC id (vpc-…)"),
    (BALANCER, {"securityGroups": [SUBNET_ID]}, "is not a security group id (sg-…)"),
    (BALANCER, {"subnets": [GROUP_ID]}, "is not a subnet id (subnet-…)"),
    (ROLE_POLICY, {"role": ROLE_ARN}, "is not the name of an IAM role (not its ARN)"),
    (FUNCTION, {"role": "app"}, "'app' is not the ARN of an IAM role"),
    (TASK, {"executionRoleArn": TARGET_ARN}, "is not the ARN of an IAM role"),
    (LISTENER, {"loadBalancerArn": TARGET_ARN}, "is not the ARN of a load balancer"),
    (SERVICE, {"taskDefinition": ROLE_ARN}, "is not a task definition"),
    (LOG_GROUP, {"kmsKeyId": "alias/app"}, "'alias/app' is not the ARN of a KMS key"),
]


@pytest.mark.parametrize(("type_", "change", "says"), WRONG)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    account: Any, type_: str, change: dict[str, Any], says: str
):
    reasons = account.reasons(type_, {**GOOD.get(type_, {}), **change})
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{type_}: {next(iter(change))}")
    assert says in reasons[0]


EDGES = [
    (KEY, {"deletionWindowInDays": 7}),
    (KEY, {"deletionWindowInDays": 30}),
    (BALANCER, {"idleTimeout": 1}),
    (BALANCER, {"idleTimeout": 4000}),
    (TARGETS, {"deregistrationDelay": 0}),
    (TARGETS, {"deregistrationDelay": 3600}),
    (INGRESS, {"fromPort": 0, "toPort": 65535}),
    (FUNCTION, {"timeout": 1, "memorySize": 128}),
    (FUNCTION, {"memorySize": 10240}),
    (ROLE, {"name": "r" * 64}),
    (BALANCER, {"name": "b" * 32}),
    (GROUP, {"description": "d" * 255}),
    (VPC, {"cidrBlock": "10.0.0.0/28"}),
    # pulumi-aws converts text that can be parsed as the right type
    (SERVICE, {"desiredCount": "3"}),
    (VPC, {"enableDnsHostnames": "true"}),
    (TASK, {"cpu": 256, "memory": 512}),
]


@pytest.mark.parametrize(("type_", "change"), EDGES)
def test_a_value_at_the_limit_is_accepted(account: Any, type_: str, change: dict[str, Any]):
    assert account.reasons(type_, {**GOOD[type_], **change}) == []


POLICIES = [
    (ROLE, "assumeRolePolicy", "{", "is not JSON"),
    (ROLE, "assumeRolePolicy", "[]", "[] is not a policy document"),
    (ROLE, "assumeRolePolicy", trust(Principal=None), "Principal is missing"),
    (ROLE, "assumeRolePolicy", trust(Resource="*"), "Resource is not allowed"),
    (ROLE, "assumeRolePolicy", trust(Principal={"Person": "me"}), "'Person' is not allowed"),
    (ROLE, "assumeRolePolicy", '{"Version":"2012-10-17"}', "Statement is missing"),
    (ROLE_POLICY, "policy", allow(Effect="Permit"), "'Permit' is not allowed; allowed: Allow"),
    (ROLE_POLICY, "policy", allow(Action=None), "Action is missing"),
    (ROLE_POLICY, "policy", allow(Action="GetObject"), "'GetObject' is not an action"),
    (ROLE_POLICY, "policy", allow(Resource=None), "Resource is missing"),
    (ROLE_POLICY, "policy", allow(Resource="my-bucket"), "'my-bucket' is neither an ARN"),
    (ROLE_POLICY, "policy", allow(Principal="*"), "Principal is not allowed"),
    (ROLE_POLICY, "policy", allow(Who="me"), "Who is not an element of a statement"),
    (ROLE_POLICY, "policy", allow(Sid="not ok"), "'not ok' may only have letters and digits"),
    (ROLE_POLICY, "policy", allow(NotAction="s3:*"), "Action cannot be combined with NotAction"),
    (KEY, "policy", allow(), "Principal is missing: the policy must name a principal"),
    (
        ROLE_POLICY,
        "policy",
        allow(Resource=[f"arn:aws:s3:::{'b' * 60}/{n}" for n in range(150)]),
        "at most 10240 are allowed",
    ),
    (
        ROLE_POLICY,
        "policy",
        '{"Version":"2020-01-01","Statement":[]}',
        "'2020-01-01' is not allowed; allowed: 2012-10-17, 2008-10-17",
    ),
]


@pytest.mark.parametrize(("type_", "name", "document", "says"), POLICIES)
def test_a_malformed_policy_is_refused_with_the_element(
    account: Any, type_: str, name: str, document: str, says: str
):
    reasons = account.reasons(type_, {**GOOD[type_], name: document})
    assert any(says in reason and reason.startswith(f"{type_}: {name}") for reason in reasons)


def container(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "image": "b", **changes}]


CONTAINERS: list[tuple[list[Any], str]] = [
    (container(stopTimeout=121), "[0].stopTimeout 121 is above the maximum of 120"),
    (
        container(healthCheck={"command": ["CMD", "true"], "interval": 4}),
        "[0].healthCheck.interval 4 is below the minimum of 5",
    ),
    (
        container(logConfiguration={"logDriver": "awslogs", "options": {"awslogs-group": "g"}}),
        "[0].logConfiguration.options.awslogs-region is missing",
    ),
    ([], "is not a list of container definitions"),
    ([{"image": "a"}], "[0].name is missing"),
    ([{"name": "a", "image": "b", "colour": "red"}], "[0].colour is not a property"),
    ([{"name": "a", "image": "b", "cpu": "256"}], "[0].cpu '256' is not of type integer"),
    ([{"name": "a", "image": "b", "essential": "yes"}], "is not of type boolean"),
    ([{"name": "a", "image": "b", "essential": False}], "no container is essential"),
    ([{"name": "a", "image": "b"}] * 2, "the container name 'a' is used more than once"),
    (
        [
            {
                "name": "a",
                "image": "b",
                "mountPoints": [{"sourceVolume": "files", "containerPath": "/scratch"}],
                "linuxParameters": {"tmpfs": [{"containerPath": "/scratch/", "size": 64}]},
            }
        ],
        "the mount path '/scratch' is used more than once",
    ),
    (
        [{"name": "a", "image": "b", "logConfiguration": {"logDriver": "stdout"}}],
        "[0].logConfiguration.logDriver 'stdout' is not allowed",
    ),
    (
        [{"name": "a", "image": "b", "portMappings": [{"containerPort": "8080"}]}],
        "[0].portMappings[0].containerPort '8080' is not of type integer",
    ),
    (
        [
            {
                "name": "a",
                "image": "b",
                "environment": [{"name": "K", "value": "v"}],
                "secrets": [{"name": "K", "valueFrom": "s"}],
            }
        ],
        "the variable 'K' is used more than once",
    ),
]


@pytest.mark.parametrize(("containers", "says"), CONTAINERS)
def test_a_wrong_container_definition_is_refused(account: Any, containers: list[Any], says: str):
    reasons = account.reasons(TASK, task(containerDefinitions=json.dumps(containers)))
    assert any(says in reason for reason in reasons)


# Every row of Fargate's table at its smallest and its largest memory.
# Source: ECS developer guide, "Task CPU and memory" for Fargate.
SIZES = {
    "256": (512, 2048),
    "512": (1024, 4096),
    "1024": (2048, 8192),
    "2048": (4096, 16384),
    "4096": (8192, 30720),
    "8192": (16384, 61440),
    "16384": (32768, 122880),
}


@pytest.mark.parametrize(("cpu", "edges"), SIZES.items())
def test_fargate_sizes_are_accepted_at_both_limits_and_refused_beyond(
    account: Any, cpu: str, edges: tuple[int, int]
):
    smallest, largest = edges
    for memory in edges:
        assert account.reasons(TASK, task(cpu=cpu, memory=str(memory))) == []
    for memory in (smallest - 256, smallest + 1, largest + 1024):
        reasons = account.reasons(TASK, task(cpu=cpu, memory=str(memory)))
        assert len(reasons) == 1
        assert f"memory '{memory}' is not supported with cpu {cpu}" in reasons[0]


def test_an_invalid_fargate_cpu_is_refused_with_the_allowed_values(account: Any):
    reasons = account.reasons(TASK, task(cpu="300"))
    assert len(reasons) == 1
    assert "cpu '300' is not a Fargate size; allowed: 256, 512, 1024, 2048, 4096" in reasons[0]


RULES = [
    (INGRESS, {"cidrIpv6": "::/0"}, "exactly one of cidrIpv4, cidrIpv6, prefixListId"),
    (INGRESS, {"fromPort": 444}, "fromPort (444) is above toPort (443)"),
    (ALARM, {"datapointsToAlarm": 2}, "datapointsToAlarm (2) is above evaluationPeriods (1)"),
    (LISTENER, {"protocol": "HTTPS"}, "certificateArn must be set where protocol is"),
    (TARGETS, {"vpcId": None}, "vpcId must be set where targetType is"),
    (
        SERVICE,
        {"capacityProviderStrategies": [{"capacityProvider": "FARGATE"}]},
        "launchType and capacityProviderStrategies cannot be combined",
    ),
    (FUNCTION, {"runtime": "python3.13"}, "runtime is not allowed where packageType is Image"),
]


@pytest.mark.parametrize(("type_", "change", "says"), RULES)
def test_properties_that_cannot_be_combined_are_refused(
    account: Any, type_: str, change: dict[str, Any], says: str
):
    reasons = account.reasons(type_, {**GOOD[type_], **change})
    assert len(reasons) == 1
    assert says in reasons[0]


def test_all_errors_are_reported_together(account: Any):
    wrong = {"vpcId": SUBNET_ID, "cidrBlock": "10.0.0.0/8", "colour": "red"}
    paths = {failure.path for failure in account.check(SUBNET, wrong).failures}
    assert paths == {("vpcId",), ("cidrBlock",), ("colour",)}


def test_an_unknown_type_is_refused_by_its_name(account: Any):
    assert account.reasons("aws:ec2/castle:Castle", {}) == [
        "pulumi_aws has no type aws:ec2/castle:Castle"
    ]


def test_unknown_values_are_accepted_anywhere_and_stay_unknown(account: Any):
    inputs = {
        **GOOD[SERVICE],
        "cluster": UNKNOWN,
        "desiredCount": UNKNOWN,
        "networkConfiguration": {"subnets": [UNKNOWN, UNKNOWN], "securityGroups": UNKNOWN},
    }
    checked = account.check(SERVICE, inputs)
    assert checked.failures == []
    assert checked.inputs["cluster"] is UNKNOWN
    assert checked.inputs["networkConfiguration"]["subnets"] == [UNKNOWN, UNKNOWN]
    assert account.reasons(TASK, task(containerDefinitions=UNKNOWN, cpu=UNKNOWN)) == []


TAGS = [
    ({"aws:made-by": "me"}, "keys that begin with aws: are AWS's own"),
    ({"k" * 129: "v"}, "the key has 129 characters; 1 to 128 are allowed"),
    ({"k": "v" * 257}, "the value has 257 characters; at most 256 are allowed"),
    ({f"k{n}": "v" for n in range(51)}, "has 51 tags; at most 50 are allowed"),
]


@pytest.mark.parametrize(("tags", "says"), TAGS)
def test_invalid_tags_are_refused(account: Any, tags: dict[str, str], says: str):
    reasons = account.reasons(VPC, {**GOOD[VPC], "tags": tags})
    assert len(reasons) == 1
    assert says in reasons[0]


def test_fifty_tags_of_the_longest_key_and_value_are_accepted(account: Any):
    tags = {f"{n:0>128}": "v" * 256 for n in range(50)}
    assert account.reasons(VPC, {**GOOD[VPC], "tags": tags}) == []


def test_tags_of_the_resource_override_the_providers_default_tags(account: Any):
    account.config["defaultTags"] = {"tags": {"project": "fleet", "Name": "default"}}
    checked = account.check(VPC, GOOD[VPC])
    assert checked.inputs["tags"] == {"project": "fleet", "Name": "net"}


def test_a_nameless_resource_gets_its_logical_name_and_seven_hexadecimal_digits(account: Any):
    name = account.check(ROLE, GOOD[ROLE], name="app").inputs["name"]
    start, _, end = name.rpartition("-")
    assert start == "app"
    assert len(end) == 7
    assert set(end) <= set("0123456789abcdef")
    assert account.check(ROLE, GOOD[ROLE], name="app").inputs["name"] == name


def test_a_generated_name_is_kept(account: Any):
    old = {**GOOD[ROLE], "name": "app-0000000", "__defaults": ["name"]}
    checked = account.check(ROLE, GOOD[ROLE], name="app", old_inputs=old)
    assert checked.inputs["name"] == "app-0000000"


def test_a_removed_explicit_name_is_not_kept(account: Any):
    old = {**GOOD[ROLE], "name": "mine"}
    checked = account.check(ROLE, GOOD[ROLE], name="app", old_inputs=old)
    assert checked.inputs["name"].startswith("app-")


def test_an_explicit_name_and_the_engines_autoname_are_used_unchanged(account: Any):
    assert account.check(ROLE, {**GOOD[ROLE], "name": "mine"}).inputs["name"] == "mine"
    proposed = account.check(ROLE, GOOD[ROLE], proposed_name="theirs")
    assert proposed.inputs["name"] == "theirs"


def test_a_name_prefix_is_used(account: Any):
    name = account.check(TARGETS, {**GOOD[TARGETS], "namePrefix": "app-"}).inputs["name"]
    assert name.startswith("app-")
    assert len(name) == len("app-") + 26


def test_a_logical_name_that_leaves_no_room_for_the_digits_is_refused(account: Any):
    assert account.reasons(TARGETS, GOOD[TARGETS], name="t" * 24) == []
    reasons = account.reasons(TARGETS, GOOD[TARGETS], name="t" * 25)
    assert "has 33 characters; at most 32 are allowed" in reasons[0]


@pytest.mark.parametrize(
    ("type_", "start"),
    [
        ("aws:kms/alias:Alias", "alias/App-"),
        ("aws:ecr/repository:Repository", "app-"),
        ("aws:s3/bucket:Bucket", "app-"),
    ],
)
def test_names_follow_the_rules_of_their_type(account: Any, type_: str, start: str):
    given = {"targetKeyId": "alias/aws/s3"} if "kms" in type_ else {}
    checked = account.check(type_, given, name="App")
    assert checked.failures == []
    name = checked.inputs.get("name") or checked.inputs["bucket"]
    assert name.startswith(start)


def test_a_type_that_only_the_sdk_describes_causes_a_warning(account: Any):
    account.check("aws:backup/globalSettings:GlobalSettings", {"globalSettings": {"a": "b"}})
    assert account.warnings == [
        "aws:backup/globalSettings:GlobalSettings:"
        " the sandbox validates only the names and types of its properties"
    ]


def test_a_property_that_was_checked_for_its_type_only_causes_a_warning(account: Any):
    account.check(TARGETS, {**GOOD[TARGETS], "targetGroupHealth": {}})
    assert account.warnings == [
        f"{TARGETS}: property targetGroupHealth was checked for its type only"
    ]
