"""Durable files for workloads with `files`."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.account import Account
from components.component import Component
from components.foundation.network import Network
from core.aws.iam import Statement, document
from core.resolved import ResolvedFleet

NFS_PORT = 2049

OWNER = 10001
"""The user id of all containers on ECS and EKS, above the ids of the users of a node. An access
point also uses it for all clients, such as Lambda functions, which run as another user."""


class Storage(Component):
    """One encrypted EFS file system, with an access point for every workload with files.

    Type token `mcp-platform:foundation:Storage`. Creates the file system, its policy, a mount
    target in every private subnet, and a security group. The policy requires TLS and allows roles
    of the account through a mount target only. For each workload, it creates an access point with a
    separate root directory. Backups are on in production.

    Attributes:
        file_system_id: The file system's id.
        file_system_arn: Its ARN.
        security_group_id: The security group of the mount targets. Targets add ingress rules.
        access_point_ids: The access points' ids, by workload.
        access_point_arns: Their ARNs, by workload.
    """

    file_system_id: pulumi.Output[str]
    file_system_arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    access_point_ids: Mapping[str, pulumi.Output[str]]
    access_point_arns: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        account: Account,
        network: Network,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:foundation:Storage", name, opts)
        stack = fleet.stack
        files = aws.efs.FileSystem(
            f"{name}-efs",
            encrypted=True,
            kms_key_id=key_arn,
            throughput_mode="elastic",
            tags={"Name": stack.label},
            opts=pulumi.ResourceOptions(parent=self, protect=stack.production),
        )
        aws.efs.FileSystemPolicy(
            f"{name}-policy",
            file_system_id=files.id,
            policy=pulumi.Output.json_dumps(document(_policy(account, files.arn))),
            opts=self.child_opts,
        )
        if stack.production:
            aws.efs.BackupPolicy(
                f"{name}-backup",
                file_system_id=files.id,
                backup_policy={"status": "ENABLED"},
                opts=self.child_opts,
            )
        group = aws.ec2.SecurityGroup(
            f"{name}-group",
            description="File system, reached by the workloads that mount it",
            vpc_id=network.vpc_id,
            tags={"Name": f"{stack.label}-files"},
            opts=self.child_opts,
        )
        self.mount_targets = [
            aws.efs.MountTarget(
                f"{name}-zone-{zone + 1}",
                file_system_id=files.id,
                subnet_id=network.private_subnet_ids[zone],
                security_groups=[group.id],
                # A file system can have only one mount target in a zone.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
            for zone in range(network.zones)
        ]
        """The mount targets. They must exist before a workload mounts its files."""
        points = {
            workload: aws.efs.AccessPoint(
                f"{name}-{workload}",
                file_system_id=files.id,
                posix_user={"uid": OWNER, "gid": OWNER},
                root_directory={
                    "path": f"/{workload}",
                    "creation_info": {
                        "owner_uid": OWNER,
                        "owner_gid": OWNER,
                        "permissions": "0750",
                    },
                },
                tags={"Name": f"{stack.label}-{workload}"},
                opts=pulumi.ResourceOptions(parent=self, protect=stack.production),
            )
            for workload in fleet.config.with_storage()
        }
        self.file_system_id = files.id
        self.file_system_arn = files.arn
        self.security_group_id = group.id
        self.access_point_ids = {workload: point.id for workload, point in points.items()}
        self.access_point_arns = {workload: point.arn for workload, point in points.items()}
        self.register()


def _policy(account: Account, file_system_arn: pulumi.Output[str]) -> list[Statement]:
    """Lets IAM policies of the account grant access, through a mount target and with TLS."""
    return [
        Statement(
            sid="RolesMount",
            principals={"AWS": (account.arn("iam", "root", region=""),)},
            actions=("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"),
            resources=(file_system_arn,),
            conditions={"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}},
        ),
        Statement(
            sid="OnlyEncrypted",
            effect="Deny",
            principals={"AWS": ("*",)},
            actions=("*",),
            resources=(file_system_arn,),
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        ),
    ]
