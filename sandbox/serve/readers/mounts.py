"""EFS file systems, and the permissions to mount them.

Facts from the Amazon EFS User Guide ("Using IAM to control access to file systems", "Working with
access points") and the Amazon ECS Developer Guide ("Amazon EFS volumes").
"""

from collections.abc import Sequence
from posixpath import join

from sandbox.cloud.store import Cloud
from sandbox.iam import roles
from sandbox.iam.evaluate import Context
from sandbox.serve.fleet import DeployedError
from sandbox.serve.reachability import security_groups
from sandbox.serve.reachability.security_groups import End
from sandbox.values.tree import part

NFS_PORT = 2049
_ACCESS_POINT = "aws:efs/accessPoint:AccessPoint"
_MOUNT = "elasticfilesystem:ClientMount"


def root(
    cloud: Cloud,
    file_system_id: str,
    access_point_id: str,
    *,
    folder: str,
    role_arn: str | None,
    end: End,
) -> str:
    """The folder of a mount, if the client may mount it.

    Args:
        cloud: The cloud.
        file_system_id: The file system.
        access_point_id: The access point, or nothing.
        folder: The folder of the file system, without an access point.
        role_arn: The client's role, or None.
        end: The client's end of a connection.

    Returns:
        The file system's id and the path of the folder in it, `fs-…/path`.

    Raises:
        DeployedError: the file system or access point does not exist, the role may not mount it, or
            security groups do not allow the connection.
    """
    files = cloud.get("aws", "aws:efs/fileSystem:FileSystem", file_system_id)
    point = cloud.get("aws", _ACCESS_POINT, access_point_id) if access_point_id else None
    if files is None or (
        access_point_id and (not point or point.properties.get("fileSystemId") != file_system_id)
    ):
        raise DeployedError(
            f"{end.name} cannot mount {file_system_id} {access_point_id}: there is no such file "
            "system with this access point; deploy the stack again"
        )
    arn = str(files.properties["arn"])
    context = {"aws:SecureTransport": "true", "elasticfilesystem:AccessedViaMountTarget": "true"}
    if point:
        context["elasticfilesystem:AccessPointArn"] = str(point.properties["arn"])
    if not _may_mount(cloud, file_system_id, role_arn, arn, context):
        raise DeployedError(
            f"{end.name} cannot mount {file_system_id}: mount.nfs4: access denied by server: "
            f"{role_arn or 'a client without a role'} is not authorized to perform: {_MOUNT} on "
            f"resource: {arn}"
        )
    targets = _mount_targets(cloud, file_system_id)
    if not targets:
        raise DeployedError(f"{end.name} cannot mount {file_system_id}: it has no mount target")
    groups = security_groups.read(cloud)
    for target in targets:
        reason = security_groups.refusal(groups, end, target, NFS_PORT)
        if reason:
            raise DeployedError(f"{end.name} cannot mount {file_system_id}: {reason}")
    inside = part(point.properties, "rootDirectory").get("path") if point else folder
    return join(file_system_id, str(inside or "/").strip("/")).rstrip("/")


def _may_mount(
    cloud: Cloud, file_system_id: str, role_arn: str | None, arn: str, context: Context
) -> bool:
    if role_arn:
        return roles.allows(cloud, role_arn, _MOUNT, arn, context)
    # Without a file system policy, every client that can connect may mount it.
    policy = "aws:efs/fileSystemPolicy:FileSystemPolicy"
    return cloud.get("aws", policy, file_system_id) is None


def _mount_targets(cloud: Cloud, file_system_id: str) -> Sequence[End]:
    return [
        End(
            name=f"the mount target {stored.id}",
            groups=tuple(stored.properties.get("securityGroups") or ()),
            subnets=security_groups.subnets(cloud, [str(stored.properties.get("subnetId"))]),
        )
        for stored in cloud.list("aws", "aws:efs/mountTarget:MountTarget")
        if stored.properties.get("fileSystemId") == file_system_id
    ]
