"""What the pods of a workload may do in AWS, through EKS Pod Identity.

Nodes pull the images, and write the logs: no pod needs either.
"""

from collections.abc import Sequence

from components.foundation import Foundation
from components.foundation.identity import invoke_models, read_secrets
from core.aws.iam import Statement
from core.config.model import Agent
from core.resolved import Workload


def pod_permissions(workload: Workload, foundation: Foundation) -> Sequence[Statement]:
    """The permissions to invoke its models, and to read its secrets, as the CSI driver does."""
    config = workload.config
    secrets = [secret.arn for secret in foundation.vault.read_by(workload.container).values()]
    return [
        *(invoke_models(config.models, foundation.account) if isinstance(config, Agent) else []),
        # The driver looks for a new version before it fetches it (AWS Secrets Manager User Guide,
        # "Use AWS Secrets and Configuration Provider CSI with Pod Identity").
        *read_secrets(secrets, foundation.key_arn, foundation.account, described=True),
    ]
