"""The AWS permissions of the pods of a workload, through EKS Pod Identity.

Pods need no permissions to pull images or write logs: the nodes do both.
"""

from collections.abc import Sequence

from components.foundation import Foundation
from components.foundation.identity import invoke_models, read_secrets
from core.aws.iam import Statement
from core.config.model import Agent
from core.resolved import Workload


def pod_permissions(workload: Workload, foundation: Foundation) -> Sequence[Statement]:
    """The permissions to invoke models, and to read secrets through the CSI driver."""
    config = workload.config
    secrets = [secret.arn for secret in foundation.vault.read_by(workload.container).values()]
    return [
        *(invoke_models(config.models, foundation.account) if isinstance(config, Agent) else []),
        # The driver looks for a new version before it fetches it (AWS Secrets Manager User Guide,
        # "Use AWS Secrets and Configuration Provider CSI with Pod Identity").
        *read_secrets(secrets, foundation.key_arn, foundation.account, described=True),
    ]
