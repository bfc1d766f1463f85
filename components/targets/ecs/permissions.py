"""What a workload's task may do, and what ECS may do to start it."""

from collections.abc import Sequence

from components.foundation import Foundation
from components.foundation.identity import (
    invoke_models,
    mount_files,
    open_shell,
    pull_image,
    read_secrets,
    write_logs,
)
from core.fleet import Agent, Server
from core.iam import Statement


def task_permissions(
    workload: str, load: Server | Agent, foundation: Foundation
) -> Sequence[Statement]:
    """What the workload itself may do: its models, its files, a shell where one is asked for."""
    statements: list[Statement] = []
    if isinstance(load, Agent):
        statements += invoke_models(load.models, foundation.account)
    if load.storage and foundation.storage:
        statements += mount_files(
            foundation.storage.file_system_arn, foundation.storage.access_point_arns[workload]
        )
    if load.exec:
        statements += open_shell()
    return statements


def execution_permissions(
    workload: str, load: Server | Agent, foundation: Foundation
) -> Sequence[Statement]:
    """What ECS may do to start it: pull its image, read its secrets, write its logs."""
    return [
        *pull_image(
            load.image.uri if load.image else None,
            foundation.images.repository_arns.get(workload),
            foundation.account,
        ),
        *read_secrets(
            [secret.arn for secret in foundation.vault.read_by(workload, load).values()],
            foundation.key_arn,
            foundation.account,
        ),
        *write_logs(foundation.observability.log_group_arns[workload]),
    ]
