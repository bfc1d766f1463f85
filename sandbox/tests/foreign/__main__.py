import json

import pulumi
import pulumi_aws as aws

vpc = aws.ec2.Vpc("web", cidr_block="10.0.0.0/16", enable_dns_hostnames=True)
gateway = aws.ec2.InternetGateway("web", vpc_id=vpc.id)
routes = aws.ec2.RouteTable(
    "web", vpc_id=vpc.id, routes=[{"cidr_block": "0.0.0.0/0", "gateway_id": gateway.id}]
)
subnets: list[aws.ec2.Subnet] = []
for number, zone in enumerate(("eu-central-1a", "eu-central-1b")):
    subnet = aws.ec2.Subnet(
        zone, vpc_id=vpc.id, availability_zone=zone, cidr_block=f"10.0.{number}.0/24"
    )
    aws.ec2.RouteTableAssociation(zone, subnet_id=subnet.id, route_table_id=routes.id)
    subnets.append(subnet)
group = aws.ec2.SecurityGroup(
    "web",
    vpc_id=vpc.id,
    ingress=[{"protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["0.0.0.0/0"]}],
    egress=[{"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}],
)

trust = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
execution = aws.iam.Role("web-execution", assume_role_policy=json.dumps(trust))
aws.iam.RolePolicyAttachment(
    "web-execution",
    role=execution.name,
    policy_arn="arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",
)
logs = aws.cloudwatch.LogGroup("web", retention_in_days=7)
container = {
    "name": "web",
    "image": "public.ecr.aws/nginx/nginx:stable",
    "essential": True,
    "portMappings": [{"containerPort": 80}],
}
task = aws.ecs.TaskDefinition(
    "web",
    family="web",
    cpu="256",
    memory="512",
    network_mode="awsvpc",
    requires_compatibilities=["FARGATE"],
    execution_role_arn=execution.arn,
    container_definitions=logs.name.apply(
        lambda name: json.dumps(
            [
                {
                    **container,
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": name,
                            "awslogs-region": "eu-central-1",
                            "awslogs-stream-prefix": "web",
                        },
                    },
                }
            ]
        )
    ),
)
cluster = aws.ecs.Cluster("web")
service = aws.ecs.Service(
    "web",
    cluster=cluster.arn,
    task_definition=task.arn,
    launch_type="FARGATE",
    desired_count=2,
    network_configuration={
        "subnets": [subnet.id for subnet in subnets],
        "security_groups": [group.id],
        "assign_public_ip": True,
    },
)
pulumi.export("service", service.name)
