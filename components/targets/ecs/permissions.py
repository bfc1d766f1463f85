"""The permissions of a task, and of ECS to start it.

A task has one role for all of its containers. So an agent also has the permissions of its sidecars,
and the sidecars have those of the agent.
"""

from collections.abc import Sequence

from components.foundation import Foundation
from components.foundation.identity import (
    invoke_models,
    mount_files,
    open_shell,
    pull_images,
    read_secrets,
    write_logs,
)
from core.aws.iam import Statement
from core.config.model import Agent
from core.resolved import Workload


def task_permissions(workload: Workload, foundation: Foundation) -> Sequence[Statement]:
    """The permissions of the task: models, files and, if configured, a shell."""
    storage, statements = foundation.storage, list[Statement]()
    if isinstance(workload.config, Agent):
        statements += invoke_models(workload.config.models, foundation.account)
    points = [
        storage.access_point_arns[each.name]
        for each in workload.containers
        if storage and each.config.storage
    ]
    if points and storage:
        statements += mount_files(storage.file_system_arn, *points)
    if workload.config.exec:
        statements += open_shell(foundation.observability.shell_log_group_arn)
    return statements


def execution_permissions(workload: Workload, foundation: Foundation) -> Sequence[Statement]:
    """The permissions of ECS to start the task: pull images, read secrets, write logs."""
    containers, repositories = workload.containers, foundation.images.repository_arns
    images = [each.config.image for each in containers]
    secrets = [
        secret.arn for each in containers for secret in foundation.vault.read_by(each).values()
    ]
    return [
        *pull_images(
            [image.uri for image in images if image and image.uri],
            # Two containers may have the same image or the same secret.
            list(
                dict.fromkeys(
                    repositories[each.name] for each in containers if each.name in repositories
                )
            ),
            foundation.account,
        ),
        *read_secrets(list(dict.fromkeys(secrets)), foundation.key_arn, foundation.account),
        *write_logs(*(foundation.observability.log_group_arns[each.name] for each in containers)),
    ]
