"""Test clouds for the readers: a network, a load balancer, roles, secrets and files."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.cloud.store import Cloud
from sandbox.tests.clusters import put

ACCOUNT = "123456789012"
REGION = "us-east-1"
SUBNETS = {"subnet-a": "10.0.0.0/20", "subnet-b": "10.0.32.0/20"}
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:key-AbCdEf"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
FILES = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-1"
POINT = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-1"
BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/alb/1"
DNS_NAME = "alb-1.us-east-1.elb.amazonaws.com"


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def target_group(name: str) -> str:
    return f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{name}/1"


def allow(actions: Sequence[str] | str, resources: Sequence[str] | str, **more: Any) -> Any:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def role(
    cloud: Cloud, name: str, *statements: Mapping[str, Any], service: str = "", **properties: Any
) -> str:
    """Adds a role with an inline policy, which `service` can assume."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    put(
        cloud,
        "iam/role:Role",
        name,
        name=name,
        arn=role_arn(name),
        assumeRolePolicy=json.dumps({"Statement": [trust]}),
        **properties,
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    if statements:
        put(cloud, "iam/rolePolicy:RolePolicy", f"{name}:own", role=name, policy=document)
    return role_arn(name)


def network(cloud: Cloud) -> None:
    """Adds a VPC with two subnets, and a load balancer in them."""
    put(cloud, "ec2/vpc:Vpc", "vpc-1", cidrBlock="10.0.0.0/16")
    for id_, block in SUBNETS.items():
        put(cloud, "ec2/subnet:Subnet", id_, cidrBlock=block)
    group(cloud, "sg-alb")
    put(
        cloud,
        "lb/loadBalancer:LoadBalancer",
        BALANCER,
        arn=BALANCER,
        name="alb",
        dnsName=DNS_NAME,
        loadBalancerType="application",
        vpcId="vpc-1",
        subnets=list(SUBNETS),
        securityGroups=["sg-alb"],
    )
    put(
        cloud,
        "lb/listener:Listener",
        "listener",
        arn="listener",
        loadBalancerArn=BALANCER,
        port=80,
        protocol="HTTP",
        defaultActions=[{"type": "fixed-response"}],
    )


def routed(cloud: Cloud, name: str, *, path: str = "/health") -> None:
    """Adds a target group and a rule of the load balancer that forwards to it."""
    arn = target_group(name)
    put(cloud, "lb/targetGroup:TargetGroup", arn, arn=arn, healthCheck={"path": path})
    put(
        cloud,
        "lb/listenerRule:ListenerRule",
        f"rule-{name}",
        listenerArn="listener",
        actions=[{"type": "forward", "targetGroupArn": arn}],
    )


def group(cloud: Cloud, id_: str, **properties: Any) -> None:
    put(cloud, "ec2/securityGroup:SecurityGroup", id_, name=f"the-{id_}", **properties)


def opened(cloud: Cloud, source: str, destination: str, port: int) -> None:
    """Adds an egress rule and an ingress rule, as the program does."""
    for direction, own, other in (
        ("Egress", source, destination),
        ("Ingress", destination, source),
    ):
        kind = f"ecurityGroup{direction}Rule"
        put(
            cloud,
            f"vpc/s{kind}:S{kind}",
            f"sgr-{direction}-{source}-{destination}-{port}",
            securityGroupId=own,
            referencedSecurityGroupId=other,
            ipProtocol="tcp",
            fromPort=port,
            toPort=port,
        )


def secret(
    cloud: Cloud, value: str, *, version: str = "v1", stages: Sequence[str] = ("AWSCURRENT",)
) -> None:
    if cloud.get("aws", "aws:secretsmanager/secret:Secret", SECRET) is None:
        put(cloud, "secretsmanager/secret:Secret", SECRET, arn=SECRET, kmsKeyId=KEY)
    put(
        cloud,
        "secretsmanager/secretVersion:SecretVersion",
        f"{SECRET}|{version}",
        secretId=SECRET,
        versionId=version,
        versionStages=list(stages),
        secretString=value,
    )


READ = allow("secretsmanager:GetSecretValue", SECRET)
DECRYPT = allow(
    "kms:Decrypt",
    KEY,
    Condition={"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}},
)
MOUNT = allow(
    "elasticfilesystem:ClientMount",
    FILES,
    Condition={"ArnEquals": {"elasticfilesystem:AccessPointArn": POINT}},
)


def files(cloud: Cloud) -> None:
    """Adds a file system with an access point and a mount target in one subnet."""
    put(cloud, "efs/fileSystem:FileSystem", "fs-1", arn=FILES)
    put(
        cloud,
        "efs/accessPoint:AccessPoint",
        "fsap-1",
        arn=POINT,
        fileSystemId="fs-1",
        rootDirectory={"path": "/notes"},
    )
    group(cloud, "sg-files")
    put(
        cloud,
        "efs/mountTarget:MountTarget",
        "fsmt-1",
        fileSystemId="fs-1",
        subnetId="subnet-a",
        securityGroups=["sg-files"],
    )
