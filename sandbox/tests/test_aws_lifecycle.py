"""Checks that need the cloud's state: references, names, networks, resources in use."""

import json
import re
from typing import Any

import pytest

from sandbox.engine.provider import Call, Change, Made, RefusedError
from sandbox.providers.aws.provider import PROVIDER
from sandbox.values.wire import UNKNOWN

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
SECRET = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
CLUSTER = "aws:ecs/cluster:Cluster"
SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
RULE = "aws:lb/listenerRule:ListenerRule"
REPOSITORY = "aws:ecr/repository:Repository"
NAMESPACE = "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace"
HTTP_NAMESPACE = "aws:servicediscovery/httpNamespace:HttpNamespace"
REGISTRY = "aws:servicediscovery/service:Service"
KUBERNETES = "aws:eks/cluster:Cluster"
CERTIFICATE = "aws:acm/certificate:Certificate"
TARGET = "aws:appautoscaling/target:Target"
SCALING = "aws:appautoscaling/policy:Policy"
PARAMETER = "aws:ssm/parameter:Parameter"

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
PERMISSION = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)
CONTAINERS = json.dumps([{"name": "app", "image": "app:1"}])


def make_task(account: Any, **changes: Any) -> Made:
    return account.make(
        TASK,
        "task",
        **{
            "family": "app",
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "containerDefinitions": CONTAINERS,
            **changes,
        },
    )


def make_network(account: Any) -> tuple[Made, Made]:
    vpc = account.make(VPC, "net", cidrBlock="10.0.0.0/16")
    subnet = account.make(SUBNET, "a", vpcId=vpc.id, cidrBlock="10.0.1.0/24")
    return vpc, subnet


@pytest.mark.parametrize(
    ("type_", "inputs", "id_", "arn"),
    [
        (VPC, {"cidrBlock": "10.0.0.0/16"}, r"vpc-0[0-9a-f]{16}", "ec2:us-east-1:{a}:vpc/{id}"),
        (KEY, {}, r"[0-9a-f-]{36}", "kms:us-east-1:{a}:key/{id}"),
        (ROLE, {"name": "r", "assumeRolePolicy": TRUST}, "r", "iam::{a}:role/r"),
        (LOG_GROUP, {"name": "/app"}, "/app", "logs:us-east-1:{a}:log-group:/app"),
        (
            SECRET,
            {"name": "s"},
            r"arn:aws:secretsmanager:us-east-1:123456789012:secret:s-[A-Za-z0-9]{6}",
            None,
        ),
        (CLUSTER, {"name": "c"}, "arn:aws:ecs:us-east-1:123456789012:cluster/c", None),
        (REPOSITORY, {"name": "app"}, "app", "ecr:us-east-1:{a}:repository/app"),
        (PARAMETER, {"name": "/a/b", "type": "String", "value": "v"}, "/a/b",
         "ssm:us-east-1:{a}:parameter/a/b"),
        (CERTIFICATE, {"domainName": "a.example.com"},
         r"arn:aws:acm:us-east-1:123456789012:certificate/[0-9a-f-]{36}", None),
    ],
)  # fmt: skip
def test_ids_and_arns_look_like_those_of_aws(
    account: Any, type_: str, inputs: dict[str, Any], id_: str, arn: str | None
):
    made = account.make(type_, **inputs)
    assert re.fullmatch(id_, made.id)
    wanted = f"arn:aws:{arn.format(a='123456789012', id=made.id)}" if arn else made.id
    assert made.properties["arn"] == wanted


def test_arns_follow_the_providers_region_and_partition(account: Any):
    account.config["region"] = "cn-north-1"
    made = account.make(LOG_GROUP, name="g")
    assert made.properties["arn"] == "arn:aws-cn:logs:cn-north-1:123456789012:log-group:g"


def test_a_load_balancer_outputs_its_dns_name_and_zone(account: Any):
    vpc, subnet = make_network(account)
    made = account.make(BALANCER, "way-in", subnets=[subnet.id], name="way-in").properties
    assert made["arnSuffix"] == made["arn"].partition("loadbalancer/")[2]
    assert re.fullmatch(r"way-in-\d{10}\.us-east-1\.elb\.amazonaws\.com", made["dnsName"])
    assert made["zoneId"] == "Z35SXDOTRQ7X7K"
    assert made["vpcId"] == vpc.id


def test_a_certificate_outputs_the_validation_of_each_domain(account: Any):
    made = account.make(
        CERTIFICATE,
        domainName="example.com",
        subjectAlternativeNames=["*.example.com", "example.com"],
        validationMethod="DNS",
    )
    options = made.properties["domainValidationOptions"]
    assert [option["domainName"] for option in options] == ["example.com", "*.example.com"]
    assert all(option["resourceRecordType"] == "CNAME" for option in options)
    assert options[1]["resourceRecordName"].endswith(".example.com.")


def test_a_new_revision_of_a_task_definition_has_the_next_number_and_remains(account: Any):
    first = make_task(account)
    second = make_task(account, cpu="512", memory="1024")
    assert first.properties["arn"].endswith(":task-definition/app:1")
    assert second.properties["arn"].endswith(":task-definition/app:2")
    account.delete(TASK, first)
    found = account.read(TASK, second)
    assert found is not None
    assert found.properties["revision"] == 2


def test_a_preview_has_known_inputs_and_unknown_outputs(account: Any):
    seen = account.foresee(VPC, cidrBlock="10.0.0.0/16", tags={"a": "b"})
    assert seen["cidrBlock"] == "10.0.0.0/16"
    assert seen["tagsAll"] == {"a": "b"}
    assert seen["arn"] is UNKNOWN
    assert seen["defaultSecurityGroupId"] is UNKNOWN
    assert account.cloud.list() == []


@pytest.mark.parametrize("region", ["mars-1", "US-EAST-1", " us-east-1", "null", "us-east"])
def test_the_provider_refuses_an_invalid_region(account: Any, region: str):
    assert PROVIDER.check_config
    (failure,) = PROVIDER.check_config(account.context, {"region": region}).failures
    assert failure.path == ("region",)
    assert failure.reason == f"aws: invalid AWS Region: {region}"
    account.config = {"region": region}
    account.make(VPC, cidrBlock="10.0.0.0/16")  # the sandbox accepts it


@pytest.mark.parametrize(
    "region", ["us-east-1", "us-gov-west-1", "cn-northwest-1", "eusc-de-east-1"]
)
def test_the_provider_takes_regions_of_every_partition(account: Any, region: str):
    assert PROVIDER.check_config
    assert not PROVIDER.check_config(account.context, {"region": region}).failures


def test_the_default_group_of_a_vpc_is_adopted_and_deleted_with_the_vpc(account: Any):
    vpc = account.make(VPC, cidrBlock="10.0.0.0/16")
    group = account.make(DEFAULT_GROUP, vpcId=vpc.id, ingress=[], egress=[])
    assert group.id == vpc.properties["defaultSecurityGroupId"]
    assert group.properties["name"] == "default"
    account.delete(VPC, vpc)  # it holds nothing
    assert account.warnings == []


def test_a_preview_of_an_object_keeps_known_values_next_to_unknown_ones(account: Any):
    seen = account.foresee(
        "aws:eks/cluster:Cluster",
        roleArn="arn:aws:iam::123456789012:role/r",
        vpcConfig={"subnetIds": [UNKNOWN]},
    )
    assert seen["vpcConfig"]["subnetIds"] == [UNKNOWN]
    assert seen["vpcConfig"]["clusterSecurityGroupId"] is UNKNOWN


ABSENT = [
    (SUBNET, {"vpcId": "vpc-0123456789abcdef0", "cidrBlock": "10.0.0.0/24"}, "vpcId"),
    (ROLE_POLICY, {"role": "nobody", "policy": PERMISSION}, "role"),
    (ALIAS, {"targetKeyId": "00000000-0000-0000-0000-000000000000"}, "targetKeyId"),
    (
        TASK,
        {
            "family": "f",
            "containerDefinitions": CONTAINERS,
            "taskRoleArn": "arn:aws:iam::123456789012:role/nobody",
        },
        "taskRoleArn",
    ),
    (SERVICE, {"cluster": "nowhere", "taskDefinition": "f:1"}, "cluster"),
    (
        SCALING,
        {
            "resourceId": "service/c/s",
            "scalableDimension": "ecs:service:DesiredCount",
            "serviceNamespace": "ecs",
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": 60,
                "predefinedMetricSpecification": {
                    "predefinedMetricType": "ECSServiceAverageCPUUtilization"
                },
            },
        },
        "resourceId",
    ),
]


@pytest.mark.parametrize(("type_", "inputs", "path"), ABSENT)
def test_a_reference_to_a_missing_resource_is_refused(
    account: Any, type_: str, inputs: dict[str, Any], path: str
):
    says = rf"{type_} it: {path} .* does not exist in the cloud"
    with pytest.raises(RefusedError, match=says):
        account.make(type_, **inputs)
    assert account.cloud.list() == []


def test_a_reference_to_something_of_another_type_is_refused(account: Any):
    account.make(LOG_GROUP, name="app")
    with pytest.raises(RefusedError, match="role 'app' does not exist"):
        account.make(ROLE_POLICY, role="app", policy=PERMISSION)


def test_resources_of_aws_or_of_another_account_need_not_exist(account: Any):
    account.make(ROLE, name="r", assumeRolePolicy=TRUST)
    account.make(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        role="r",
        policyArn="arn:aws:iam::aws:policy/ReadOnlyAccess",
    )
    account.make(SECRET, kmsKeyId="arn:aws:kms:us-east-1:210987654321:key/k")
    assert len(account.cloud.list()) == 3


TAKEN = [
    (ROLE, {"name": "n", "assumeRolePolicy": TRUST}, "EntityAlreadyExists"),
    (LOG_GROUP, {"name": "n"}, "ResourceAlreadyExistsException"),
    (SECRET, {"name": "n"}, "ResourceExistsException"),
    (REPOSITORY, {"name": "app"}, "RepositoryAlreadyExistsException"),
    (CLUSTER, {"name": "n"}, "ResourceAlreadyExists"),
    (TARGETS, {"name": "n", "targetType": "lambda"}, "DuplicateTargetGroupName"),
    (PARAMETER, {"name": "n", "type": "String", "value": "v"}, "ParameterAlreadyExists"),
    ("aws:s3/bucket:Bucket", {"bucket": "name"}, "BucketAlreadyExists"),
]


@pytest.mark.parametrize(("type_", "inputs", "code"), TAKEN)
def test_a_name_that_is_taken_is_refused(
    account: Any, type_: str, inputs: dict[str, Any], code: str
):
    first = account.make(type_, "one", **inputs)
    with pytest.raises(RefusedError, match=rf"^{code}: {type_} .* exists already"):
        account.make(type_, "two", **inputs)
    account.delete(type_, first)
    account.make(type_, "two", **inputs)
    assert len(account.cloud.list()) == 1


def test_one_name_in_two_regions_is_no_collision(account: Any):
    account.make(LOG_GROUP, "one", name="n")
    account.make(LOG_GROUP, "two", name="m", region="eu-west-1")
    assert len(account.cloud.list()) == 2


def test_the_same_rule_twice_in_a_security_group_is_refused(account: Any):
    vpc, _ = make_network(account)
    group = account.make(GROUP, vpcId=vpc.id)
    rule = {
        "securityGroupId": group.id,
        "ipProtocol": "tcp",
        "fromPort": 80,
        "toPort": 80,
        "cidrIpv4": "10.0.0.0/8",
    }
    account.make(INGRESS, "one", **rule)
    with pytest.raises(RefusedError, match=r"InvalidPermission\.Duplicate"):
        account.make(INGRESS, "two", **rule)
    account.make(INGRESS, "three", **{**rule, "cidrIpv4": "10.0.0.0/9"})


@pytest.mark.parametrize("block", ["10.1.0.0/24", "10.0.0.0/16", "10.0.1.128/25", "10.0.1.0/24"])
def test_a_subnet_outside_of_its_vpc_or_over_another_is_refused(account: Any, block: str):
    vpc, _ = make_network(account)
    outside = block == "10.1.0.0/24"
    says = "is not inside of 10.0.0.0/16" if outside else "overlaps 10.0.1.0/24"
    with pytest.raises(RefusedError, match=says):
        account.make(SUBNET, "b", vpcId=vpc.id, cidrBlock=block)


@pytest.mark.parametrize("block", ["10.0.0.0/24", "10.0.2.0/24", "10.0.255.240/28"])
def test_a_subnet_beside_another_is_accepted(account: Any, block: str):
    vpc, _ = make_network(account)
    made = account.make(SUBNET, "b", vpcId=vpc.id, cidrBlock=block)
    assert made.properties["cidrBlock"] == block


def test_two_vpcs_may_have_the_same_subnets(account: Any):
    make_network(account)
    make_network(account)
    assert len(account.cloud.list("aws", SUBNET)) == 2


def test_a_vpc_can_be_deleted_only_without_subnets(account: Any):
    vpc, subnet = make_network(account)
    with pytest.raises(RefusedError, match=rf"DependencyViolation: {VPC} .*{SUBNET} {subnet.id}"):
        account.delete(VPC, vpc)
    account.delete(SUBNET, subnet)
    account.delete(VPC, vpc)
    assert account.cloud.list() == []


def test_a_security_group_that_anothers_rule_names_cannot_be_deleted(account: Any):
    vpc, _ = make_network(account)
    gateway = account.make(GROUP, "gateway", vpcId=vpc.id)
    server = account.make(GROUP, "server", vpcId=vpc.id)
    rule = account.make(
        INGRESS,
        securityGroupId=server.id,
        referencedSecurityGroupId=gateway.id,
        ipProtocol="-1",
    )
    account.delete(GROUP, server)  # its own rules are deleted with it
    with pytest.raises(RefusedError, match="DependencyViolation"):
        account.delete(GROUP, gateway)
    account.delete(INGRESS, rule)
    account.delete(GROUP, gateway)


def make_service(account: Any, **inputs: Any) -> tuple[Made, Made]:
    _, subnet = make_network(account)
    cluster = account.make(CLUSTER, name="c")
    service = account.make(
        SERVICE,
        "s",
        name="s",
        cluster=cluster.properties["arn"],
        taskDefinition=make_task(account).properties["arn"],
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration={"subnets": [subnet.id]},
        **inputs,
    )
    return cluster, service


def test_a_cluster_with_services_cannot_be_deleted(account: Any):
    cluster, service = make_service(account)
    with pytest.raises(RefusedError, match="ClusterContainsServicesException"):
        account.delete(CLUSTER, cluster)
    account.delete(SERVICE, service)
    account.delete(CLUSTER, cluster)


def test_a_secret_has_no_version_before_its_value_is_set(account: Any):
    token = "aws:secretsmanager/getSecretVersions:getSecretVersions"
    secret = account.make(SECRET, name="s")
    assert account.invoke(token, secretId=secret.id)["versions"] == []
    version = account.make(VERSION, secretId=secret.id, secretString="hush")
    assert account.invoke(token, secretId=secret.id)["versions"] == [
        {"versionId": version.properties["versionId"], "versionStages": ["AWSCURRENT"]}
    ]
    with pytest.raises(RefusedError, match="ResourceNotFoundException"):
        account.invoke(token, secretId="gone")


def test_a_service_gets_a_load_balancer_and_its_grace_period_in_two_updates(account: Any):
    vpc, subnet = make_network(account)
    targets = account.make(TARGETS, port=80, protocol="HTTP", vpcId=vpc.id, targetType="ip")
    balancer = account.make(BALANCER, subnets=[subnet.id])
    forward = [{"type": "forward", "targetGroupArn": targets.id}]
    listening = {"loadBalancerArn": balancer.id, "port": 80}
    account.make(LISTENER, **listening, defaultActions=forward)
    cluster = account.make(CLUSTER, name="c")
    task = make_task(account)
    inputs = {
        "name": "s",
        "cluster": cluster.properties["arn"],
        "taskDefinition": task.properties["arn"],
        "networkConfiguration": {"subnets": [subnet.id]},
    }
    grace = {"healthCheckGracePeriodSeconds": 60}
    routed = {
        "loadBalancers": [
            {"targetGroupArn": targets.id, "containerName": "app", "containerPort": 80}
        ]
    }
    service = account.make(SERVICE, **inputs)
    with pytest.raises(RefusedError, match="only valid for services configured to use load bal"):
        account.update(SERVICE, service, **inputs, **routed, **grace)
    with pytest.raises(RefusedError, match="only valid for services configured to use load bal"):
        account.update(SERVICE, service, **inputs, **grace)
    properties = account.update(SERVICE, service, **inputs, **routed)
    now = Made(id=service.id, properties=properties, inputs={**inputs, **routed})
    assert account.update(SERVICE, now, **inputs, **routed, **grace)["loadBalancers"]


def test_another_strategy_of_a_service_needs_a_new_deployment(account: Any):
    spot = {"capacityProviderStrategies": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
    _, service = make_service(account)
    inputs = {key: value for key, value in service.inputs.items() if key != "launchType"}
    with pytest.raises(RefusedError, match="you must force a new deployment"):
        account.update(SERVICE, service, **inputs, **spot)
    assert account.update(SERVICE, service, **inputs, **spot, forceNewDeployment=True)


def test_a_registry_of_an_http_namespace_cannot_be_updated(account: Any):
    namespace = account.make(HTTP_NAMESPACE, name="fleet")
    inputs = {"name": "clock", "namespaceId": namespace.id}
    made = account.make(REGISTRY, **inputs, description="a")
    with pytest.raises(RefusedError, match="a service in an HTTP namespace cannot be updated"):
        account.update(REGISTRY, made, **inputs, description="b")


@pytest.mark.parametrize("mode", ["API_AND_CONFIG_MAP", "CONFIG_MAP"])
def test_a_cluster_in_api_mode_cannot_leave_it(account: Any, mode: str):
    _, subnet = make_network(account)
    role = account.make(ROLE, name="r", assumeRolePolicy=TRUST)
    inputs = {
        "name": "k",
        "roleArn": role.properties["arn"],
        "vpcConfig": {"subnetIds": [subnet.id]},
    }
    made = account.make(KUBERNETES, **inputs, accessConfig={"authenticationMode": "API"})
    with pytest.raises(RefusedError, match="Unsupported authentication mode update"):
        account.update(KUBERNETES, made, **inputs, accessConfig={"authenticationMode": mode})


def test_a_service_on_a_target_group_without_a_listener_is_refused(account: Any):
    vpc, subnet = make_network(account)
    targets = account.make(TARGETS, port=80, protocol="HTTP", vpcId=vpc.id)
    balancer = account.make(BALANCER, subnets=[subnet.id])
    account.make(CLUSTER, name="c")
    inputs = {
        "cluster": "c",
        "taskDefinition": make_task(account).properties["arn"],
        "loadBalancers": [
            {"targetGroupArn": targets.id, "containerName": "app", "containerPort": 80}
        ],
    }
    with pytest.raises(RefusedError, match="is not attached yet"):
        account.make(SERVICE, **inputs)
    account.make(
        LISTENER,
        loadBalancerArn=balancer.id,
        port=80,
        defaultActions=[{"type": "forward", "targetGroupArn": targets.id}],
    )
    made = account.make(SERVICE, **inputs)
    assert made.properties["loadBalancers"] == inputs["loadBalancers"]


def test_an_internal_load_balancer_has_an_internal_name(account: Any):
    _, subnet = make_network(account)
    made = account.make(BALANCER, name="b", subnets=[subnet.id], internal=True)
    assert made.properties["dnsName"].startswith("internal-b-")


def test_a_service_can_be_scaled_by_its_resource_id(account: Any):
    make_service(account)
    dimension = {"scalableDimension": "ecs:service:DesiredCount", "serviceNamespace": "ecs"}
    made = account.make(TARGET, resourceId="service/c/s", minCapacity=1, maxCapacity=3, **dimension)
    assert made.id == "service/c/s"


def test_a_namespace_with_services_cannot_be_deleted(account: Any):
    vpc, _ = make_network(account)
    namespace = account.make(NAMESPACE, name="fleet.local", vpc=vpc.id)
    registry = account.make(
        REGISTRY,
        name="clock",
        dnsConfig={"namespaceId": namespace.id, "dnsRecords": [{"ttl": 10, "type": "A"}]},
    )
    with pytest.raises(RefusedError, match="ResourceInUse"):
        account.delete(NAMESPACE, namespace)
    account.delete(REGISTRY, registry)
    account.delete(NAMESPACE, namespace)


def test_a_registry_in_use_is_deleted_by_force_only_and_keeps_its_ecs_service(account: Any):
    vpc, _ = make_network(account)
    namespace = account.make(NAMESPACE, name="fleet.local", vpc=vpc.id)
    registry = {
        "name": "clock",
        "dnsConfig": {"namespaceId": namespace.id, "dnsRecords": [{"ttl": 10, "type": "A"}]},
    }
    kept = account.make(REGISTRY, **registry)
    in_registry = {"serviceRegistries": {"registryArn": kept.properties["arn"]}}
    _, service = make_service(account, **in_registry)
    with pytest.raises(RefusedError, match="ResourceInUse"):
        account.delete(REGISTRY, kept)
    account.update(REGISTRY, kept, **registry, forceDestroy=True)
    account.delete(REGISTRY, kept)
    assert account.read(SERVICE, service) is not None


def test_the_health_check_of_a_registry_is_immutable_and_needs_a_value(account: Any):
    inputs = {"name": "clock", "namespaceId": "ns-aaaaaaaaaaaaaaaa"}
    assert account.reasons(REGISTRY, inputs) == []
    (reason,) = account.reasons(REGISTRY, {**inputs, "healthCheckCustomConfig": {}})
    assert "the provider leaves an empty healthCheckCustomConfig out" in reason
    custom = {"healthCheckCustomConfig": {"failureThreshold": 1}}
    assert account.reasons(REGISTRY, {**inputs, **custom}) == []
    made = Made(id="srv-aaaaaaaaaaaaaaaa", properties=inputs, inputs=inputs)
    changes = account.diff(REGISTRY, made, **inputs, **custom).changes
    assert changes == {("healthCheckCustomConfig",): Change.ADD_REPLACE}


def test_a_target_group_in_use_cannot_be_deleted(account: Any):
    vpc, subnet = make_network(account)
    targets = account.make(TARGETS, port=80, protocol="HTTP", vpcId=vpc.id)
    balancer = account.make(BALANCER, subnets=[subnet.id])
    account.make(
        LISTENER,
        loadBalancerArn=balancer.id,
        port=80,
        defaultActions=[{"type": "forward", "targetGroupArn": targets.id}],
    )
    with pytest.raises(RefusedError, match="ResourceInUse"):
        account.delete(TARGETS, targets)


def test_a_second_listener_on_a_port_is_refused(account: Any):
    _, subnet = make_network(account)
    balancer = account.make(BALANCER, subnets=[subnet.id])
    fixed = {"contentType": "text/plain", "statusCode": "200"}
    answer = {"type": "fixed-response", "fixedResponse": fixed}
    given = {"loadBalancerArn": balancer.id, "defaultActions": [answer]}
    account.make(LISTENER, port=80, **given)
    with pytest.raises(RefusedError, match="DuplicateListener"):
        account.make(LISTENER, port=80, **given)
    account.make(LISTENER, port=81, **given)


def test_a_protected_load_balancer_is_deleted_only_after_its_protection_is_off(account: Any):
    _, subnet = make_network(account)
    inputs = {"subnets": [subnet.id], "name": "b"}
    made = account.make(BALANCER, **inputs, enableDeletionProtection=True)
    with pytest.raises(RefusedError, match="protected against deletion by enableDeletionProtec"):
        account.delete(BALANCER, made)
    account.update(BALANCER, made, **inputs, enableDeletionProtection=False)
    account.delete(BALANCER, made)


def test_deleting_a_missing_resource_is_not_an_error(account: Any):
    made = account.make(LOG_GROUP, name="g")
    account.delete(LOG_GROUP, made)
    account.delete(LOG_GROUP, made)


def test_a_resource_deleted_outside_the_engine_reads_as_missing(account: Any):
    made = account.make(LOG_GROUP, name="g")
    assert account.cloud.delete("aws", LOG_GROUP, made.id) is True
    assert account.read(LOG_GROUP, made) is None
    with pytest.raises(RefusedError, match="it has been deleted"):
        account.update(LOG_GROUP, made, name="g", retentionInDays=7)


def test_drift_is_read_into_inputs_and_properties(account: Any):
    made = account.make(LOG_GROUP, name="g", retentionInDays=30)
    account.cloud.edit("aws", LOG_GROUP, made.id, {"retentionInDays": 7})
    found = account.read(LOG_GROUP, made)
    assert found is not None
    assert found.properties["retentionInDays"] == 7
    assert found.inputs["retentionInDays"] == 7
    changes = account.diff(LOG_GROUP, found, name="g", retentionInDays=30).changes
    assert changes == {("retentionInDays",): Change.UPDATE}


def test_a_property_added_outside_the_program_is_drift(account: Any):
    made = account.make(LOG_GROUP, name="g")
    account.cloud.edit("aws", LOG_GROUP, made.id, {"tags": {"by": "hand"}})
    found = account.read(LOG_GROUP, made)
    assert found is not None
    assert account.diff(LOG_GROUP, found, name="g").changes == {("tags",): Change.DELETE}


def make_kubernetes_cluster(account: Any) -> Made:
    _, subnet = make_network(account)
    role = account.make(ROLE, "r", name="r", assumeRolePolicy=TRUST)
    return account.make(
        KUBERNETES,
        name="c",
        roleArn=role.properties["arn"],
        vpcConfig={"subnetIds": [subnet.id], "endpointPrivateAccess": True},
    )


def test_computed_values_within_an_input_object_are_not_drift(account: Any):
    made = make_kubernetes_cluster(account)
    again = account.read(KUBERNETES, made)
    assert again.inputs == made.inputs
    assert again.properties["vpcConfig"]["clusterSecurityGroupId"].startswith("sg-")
    config = {**made.properties["vpcConfig"], "clusterSecurityGroupId": "sg-0123456789abcdef0"}
    account.cloud.edit("aws", KUBERNETES, made.id, {"vpcConfig": config})
    assert account.read(KUBERNETES, made).inputs == made.inputs


def test_changes_additions_and_removals_within_an_object_are_drift(account: Any):
    made = make_kubernetes_cluster(account)
    config = {**made.properties["vpcConfig"], "endpointPrivateAccess": False}
    account.cloud.edit("aws", KUBERNETES, made.id, {"vpcConfig": config})
    subnets = made.inputs["vpcConfig"]["subnetIds"]
    seen = account.read(KUBERNETES, made).inputs["vpcConfig"]
    assert seen == {"subnetIds": subnets, "endpointPrivateAccess": False}
    del config["endpointPrivateAccess"]
    account.cloud.edit(
        "aws", KUBERNETES, made.id, {"vpcConfig": {**config, "endpointPublicAccess": False}}
    )
    seen = account.read(KUBERNETES, made).inputs["vpcConfig"]
    assert seen == {"subnetIds": subnets, "endpointPublicAccess": False}


def test_an_untouched_resource_reads_as_it_was_made(account: Any):
    cluster, service = make_service(account)
    for type_, made in ((CLUSTER, cluster), (SERVICE, service)):
        found = account.read(type_, made)
        assert found is not None
        assert found.properties == made.properties
        assert {k: v for k, v in found.inputs.items() if k != "__defaults"} == {
            k: v for k, v in made.inputs.items() if k != "__defaults"
        }


def test_an_import_reads_inputs_that_show_no_difference(account: Any):
    made = account.make(LOG_GROUP, name="g", retentionInDays=30)
    found = account.read(LOG_GROUP, Made(id="g", properties={}))
    assert found is not None
    assert found.inputs["retentionInDays"] == 30
    assert account.diff(LOG_GROUP, found, name="g", retentionInDays=30).changes == {}
    by_arn = account.read(LOG_GROUP, Made(id=made.properties["arn"], properties={}))
    assert by_arn is not None
    assert by_arn.id == "g"


DIFFS = [
    (LOG_GROUP, {"name": "a"}, {"name": "a", "retentionInDays": 7},
     {("retentionInDays",): Change.ADD}),
    (LOG_GROUP, {"name": "a"}, {"name": "b"}, {("name",): Change.UPDATE_REPLACE}),
    (VPC, {"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.1.0.0/16"},
     {("cidrBlock",): Change.UPDATE_REPLACE}),
    (VPC, {"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True},
     {("enableDnsHostnames",): Change.ADD}),
    (ROLE, {"name": "r", "assumeRolePolicy": TRUST, "path": "/a/"},
     {"name": "r", "assumeRolePolicy": TRUST, "path": "/b/"}, {("path",): Change.UPDATE_REPLACE}),
    (ROLE, {"name": "r", "assumeRolePolicy": TRUST},
     {"name": "r", "assumeRolePolicy": TRUST, "maxSessionDuration": 7200},
     {("maxSessionDuration",): Change.ADD}),
    (KEY, {"description": "a"}, {"description": "b"}, {("description",): Change.UPDATE}),
    (SECRET, {"name": "s", "tags": {"a": "b"}}, {"name": "s", "tags": {"a": "c"}},
     {("tags", "a"): Change.UPDATE}),
    (CLUSTER, {"name": "c", "settings": [{"name": "containerInsights", "value": "enabled"}]},
     {"name": "c", "settings": [{"name": "containerInsights", "value": "enhanced"}]},
     {("settings", 0, "value"): Change.UPDATE}),
    (CERTIFICATE, {"domainName": "a.example.com"}, {"domainName": "b.example.com"},
     {("domainName",): Change.UPDATE_REPLACE}),
    (REPOSITORY, {"name": "app", "imageTagMutability": "MUTABLE"},
     {"name": "app", "imageTagMutability": "IMMUTABLE"}, {("imageTagMutability",): Change.UPDATE}),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "before", "after", "changes"), DIFFS)
def test_a_change_replaces_where_aws_replaces_and_updates_elsewhere(
    account: Any,
    type_: str,
    before: dict[str, Any],
    after: dict[str, Any],
    changes: dict[Any, Change],
):
    made = account.make(type_, **before)
    assert account.diff(type_, made, **before).changes == {}
    assert account.diff(type_, made, **after).changes == changes


def test_a_changed_replica_count_is_an_update_and_a_changed_cluster_a_replacement(account: Any):
    _, service = make_service(account)
    inputs = {k: v for k, v in service.inputs.items() if k != "__defaults"}
    assert account.diff(SERVICE, service, **{**inputs, "desiredCount": 2}).changes == {
        ("desiredCount",): Change.UPDATE
    }
    assert account.diff(SERVICE, service, **{**inputs, "cluster": "other"}).changes == {
        ("cluster",): Change.UPDATE_REPLACE
    }


def test_a_changed_container_makes_a_new_task_definition(account: Any):
    made = make_task(account)
    new = json.dumps([{"name": "app", "image": "app:2"}])
    inputs = {**made.inputs, "containerDefinitions": new}
    assert account.diff(TASK, made, **inputs).changes == {
        ("containerDefinitions",): Change.UPDATE_REPLACE
    }


def test_equivalent_documents_are_no_change(account: Any):
    made = account.make(ROLE, name="r", assumeRolePolicy=TRUST)
    spaced = json.loads(TRUST)
    spaced["Statement"][0]["Action"] = ["sts:AssumeRole"]
    other = json.dumps(spaced, indent=4, sort_keys=True)
    assert account.diff(ROLE, made, name="r", assumeRolePolicy=other).changes == {}


def test_the_order_of_subnets_is_no_change(account: Any):
    vpc, one = make_network(account)
    two = account.make(
        SUBNET, "b", vpcId=vpc.id, cidrBlock="10.0.2.0/24", availabilityZone="us-east-1b"
    )
    made = account.make(BALANCER, name="b", subnets=[one.id, two.id])
    assert account.diff(BALANCER, made, name="b", subnets=[two.id, one.id]).changes == {}


def test_an_action_whose_properties_come_in_another_order_is_no_change(account: Any):
    forward = {"type": "forward", "order": 2, "targetGroupArn": "arn"}
    fixed = {"type": "fixed-response", "order": 1}
    turned = dict(reversed(forward.items()))
    call = Call(
        type=RULE,
        urn="",
        name="r",
        old_inputs={"actions": [forward, fixed]},
        inputs={"actions": [turned, fixed]},
    )
    assert PROVIDER.diff(account.context, call).changes == {}


def test_an_unknown_input_counts_as_a_change(account: Any):
    made = account.make(LOG_GROUP, name="g", retentionInDays=7)
    changes = account.diff(LOG_GROUP, made, name="g", retentionInDays=UNKNOWN).changes
    assert changes == {("retentionInDays",): Change.UPDATE}


def test_an_explicit_name_must_be_free_before_a_replacement_uses_it(account: Any):
    before = {"assumeRolePolicy": TRUST, "path": "/a/"}
    after = {"assumeRolePolicy": TRUST, "path": "/b/"}
    own = account.make(ROLE, name="mine", **before)
    assert account.diff(ROLE, own, name="mine", **after).delete_first is True
    auto = account.make(ROLE, **before)
    assert account.diff(ROLE, auto, **after).delete_first is False


def test_an_update_keeps_what_aws_made_and_drops_what_the_program_dropped(account: Any):
    made = account.make(LOG_GROUP, name="g", retentionInDays=7, tags={"a": "b"})
    after = account.update(LOG_GROUP, made, name="g", retentionInDays=14)
    assert after["arn"] == made.properties["arn"]
    assert after["retentionInDays"] == 14
    assert "tags" not in after
    assert after["tagsAll"] == {}
    stored = account.cloud.get("aws", LOG_GROUP, made.id)
    assert stored is not None
    assert stored.properties == after


def test_an_update_regenerates_volatile_outputs(account: Any):
    made = account.make(PARAMETER, name="/p", type="String", value="1")
    assert made.properties["version"] == 1
    inputs = {"name": "/p", "type": "String", "value": "2"}
    assert account.update(PARAMETER, made, preview=True, **inputs)["version"] is UNKNOWN
    assert account.update(PARAMETER, made, **inputs)["version"] == 2


def test_a_write_only_value_is_stored_only_in_the_inputs(account: Any):
    secret = account.make(SECRET, name="s")
    made = account.make(VERSION, secretId=secret.id, secretStringWo="hush", secretStringWoVersion=1)
    assert "secretStringWo" not in made.properties
    found = account.read(VERSION, made)
    assert found is not None
    assert found.inputs["secretStringWo"] == "hush"


FUNCTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("aws:index/getCallerIdentity:getCallerIdentity", {}, {"accountId": "123456789012"}),
    ("aws:index/getRegion:getRegion", {}, {"region": "us-east-1", "name": "us-east-1"}),
    ("aws:index/getPartition:getPartition", {},
     {"partition": "aws", "dnsSuffix": "amazonaws.com"}),
    ("aws:index/getAvailabilityZones:getAvailabilityZones",
     {"filters": [{"name": "zone-type", "values": ["availability-zone"]}]},
     {"names": [f"us-east-1{letter}" for letter in "abcdef"],
      "zoneIds": [f"use1-az{number}" for number in range(1, 7)]}),
    ("aws:index/getServicePrincipal:getServicePrincipal", {"serviceName": "logs"},
     {"name": "logs.amazonaws.com"}),
    ("aws:ecr/getAuthorizationToken:getAuthorizationToken", {},
     {"userName": "AWS", "proxyEndpoint":
      "https://123456789012.dkr.ecr.us-east-1.amazonaws.com"}),
    ("aws:eks/getAddonVersion:getAddonVersion",
     {"addonName": "coredns", "kubernetesVersion": "1.36", "mostRecent": True},
     {"addonName": "coredns", "version": "v1.0.0-eksbuild.1"}),
]  # fmt: skip


@pytest.mark.parametrize(("token", "arguments", "wanted"), FUNCTIONS)
def test_a_function_answers(
    account: Any, token: str, arguments: dict[str, Any], wanted: dict[str, Any]
):
    answer = account.invoke(token, **arguments)
    assert {key: answer[key] for key in wanted} == wanted


def test_a_lookup_finds_existing_resources_and_refuses_missing_ones(account: Any):
    made = account.make("aws:route53/zone:Zone", name="example.com")
    token = "aws:route53/getZone:getZone"
    assert account.invoke(token, name="example.com")["zoneId"] == made.id
    with pytest.raises(RefusedError, match=r"0 objects match .*example\.org"):
        account.invoke(token, name="example.org")


def test_an_unknown_function_is_refused_by_its_name(account: Any):
    token = "aws:index/getWeather:getWeather"
    with pytest.raises(RefusedError, match=f"{token}: the sandbox does not support this function"):
        account.invoke(token)


def test_a_policy_document_is_assembled_from_statements(account: Any):
    answer = account.invoke(
        "aws:iam/getPolicyDocument:getPolicyDocument",
        statements=[
            {
                "sid": "Read",
                "actions": ["s3:GetObject", "s3:ListBucket"],
                "resources": ["*"],
                "principals": [{"type": "Service", "identifiers": ["ecs.amazonaws.com"]}],
                "conditions": [
                    {"test": "StringEquals", "variable": "aws:SourceAccount", "values": ["1"]}
                ],
            }
        ],
    )
    assert json.loads(answer["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": "*",
                "Principal": {"Service": "ecs.amazonaws.com"},
                "Condition": {"StringEquals": {"aws:SourceAccount": "1"}},
            }
        ],
    }


@pytest.mark.parametrize(("zone", "private"), [("Z0123456789", False), ("ZPRIVATE01", True)])
def test_a_zone_outside_the_stack_is_public_unless_its_id_starts_with_zprivate(
    account: Any, zone: str, private: bool
):
    found = account.invoke("aws:route53/getZone:getZone", zoneId=zone)
    assert (found["zoneId"], found["privateZone"]) == (zone, private)


def test_an_unknown_zone_is_not_found(account: Any):
    with pytest.raises(RefusedError, match="0 objects match"):
        account.invoke("aws:route53/getZone:getZone", zoneId="mcp.example.com")


_ACL = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/fleet/1"


@pytest.mark.parametrize(
    ("group", "taken"),
    [("aws-waf-logs-dev/requests", True), ("/mcp-platform/dev/firewall", False)],
)
def test_a_web_acl_logs_to_groups_of_its_names_only(account: Any, group: str, taken: bool):
    logging: dict[str, Any] = {
        "resourceArn": _ACL,
        "logDestinationConfigs": [f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"],
        "redactedFields": [{"singleHeader": {"name": "authorization"}}, {"queryString": {}}],
    }
    type_ = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
    assert (account.reasons(type_, logging) == []) is taken
    assert account.warnings == []
