"""What the pods of a workload may do in AWS, through EKS Pod Identity.

Nodes pull the images, and write the logs: no pod needs either.
"""

from collections.abc import Sequence

from components.foundation import Foundation
from components.foundation.identity import invoke_models, read_secrets
from core.fleet import Agent, Server
from core.iam import Statement


def pod_permissions(
    workload: str, load: Server | Agent, foundation: Foundation
) -> Sequence[Statement]:
    """Invoking its models, and reading its secrets: the CSI driver does that in its name."""
    secrets = [secret.arn for secret in foundation.vault.read_by(workload, load).values()]
    return [
        *(invoke_models(load.models, foundation.account) if isinstance(load, Agent) else []),
        # The driver looks for a new version before it fetches it (AWS Secrets Manager User Guide,
        # "Use AWS Secrets and Configuration Provider CSI with Pod Identity").
        *read_secrets(secrets, foundation.key_arn, foundation.account, described=True),
    ]
