"""What a workload's task may do, and what ECS may do to start it.

A task has one role for all of its containers: what a sidecar needs, its agent may do too, and the
other way round. Each function takes what runs in the task, by name, the workload itself first.
"""

from collections.abc import Mapping, Sequence

from components.foundation import Foundation
from components.foundation.identity import (
    invoke_models,
    mount_files,
    open_shell,
    pull_images,
    read_secrets,
    write_logs,
)
from core.fleet import Agent, Server
from core.iam import Statement


def task_permissions(
    task: Mapping[str, Server | Agent], foundation: Foundation
) -> Sequence[Statement]:
    """What the workload itself may do: its models, its files, a shell where one is asked for."""
    load, storage = next(iter(task.values())), foundation.storage
    statements: list[Statement] = []
    if isinstance(load, Agent):
        statements += invoke_models(load.models, foundation.account)
    points = [storage.access_point_arns[name] for name in task if storage and task[name].storage]
    if points and storage:
        statements += mount_files(storage.file_system_arn, *points)
    if load.exec:
        statements += open_shell(foundation.observability.shell_log_group_arn)
    return statements


def execution_permissions(
    task: Mapping[str, Server | Agent], foundation: Foundation
) -> Sequence[Statement]:
    """What ECS may do to start it: pull its images, read its secrets, write its logs."""
    images, repositories = [load.image for load in task.values()], foundation.images.repository_arns
    secrets = [
        secret.arn
        for name, load in task.items()
        for secret in foundation.vault.read_by(name, load).values()
    ]
    return [
        *pull_images(
            [image.uri for image in images if image and image.uri],
            # Two workloads may have the same image or the same secret.
            list(dict.fromkeys(repositories[name] for name in task if name in repositories)),
            foundation.account,
        ),
        *read_secrets(list(dict.fromkeys(secrets)), foundation.key_arn, foundation.account),
        *write_logs(*(foundation.observability.log_group_arns[name] for name in task)),
    ]
