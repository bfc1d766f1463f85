"""A workload's secrets, brought into its pods by the Secrets Store CSI driver."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.foundation.vault import Stored
from core.aws.names import short_hash

VOLUME = "vault"
"""The volume whose mounting makes the driver fetch them."""


def vault_name(workload: str, secrets: Mapping[str, Stored]) -> pulumi.Output[str]:
    """What a workload's secrets are called in the cluster, after what is in them.

    The driver fills a Secret when the first pod wants it, and leaves it alone as long as any pod
    does, which in a rolling update is always: only under a new name do new pods find new values
    (github.com/kubernetes-sigs/secrets-store-csi-driver, secretproviderclasspodstatus_controller).
    """
    contents = [
        pulumi.Output.concat(variable, "=", secret.version_id or secret.arn)
        for variable, secret in secrets.items()
    ]
    return pulumi.Output.all(*contents).apply(
        lambda known: f"{workload}-{short_hash(','.join(known))}"
    )


def provider_class(
    name: str,
    *,
    called: pulumi.Input[str],
    namespace: str,
    labels: Mapping[str, str],
    secrets: Mapping[str, Stored],
    opts: pulumi.ResourceOptions,
) -> k8s.apiextensions.CustomResource:
    """Says which secrets of AWS Secrets Manager a workload reads, and in which variables.

    The driver reads them as the pod that mounts the volume, with the permissions of its own
    service account, and copies them to a Secret, which the API server encrypts with the stack's
    key; that is where the container's variables come from.

    Args:
        name: The logical name.
        called: What `vault_name` gives.
        namespace: The workload's namespace.
        labels: Its labels.
        secrets: What it reads, by variable.
        opts: The options of the object.
    """
    objects = [
        {
            "objectName": secret.arn,
            "objectType": "secretsmanager",
            "objectAlias": variable,
            # The value that was made here, so that no pod starts with an older one.
            **({"objectVersion": secret.version_id} if secret.version_id else {}),
        }
        for variable, secret in secrets.items()
    ]
    return k8s.apiextensions.CustomResource(
        name,
        api_version="secrets-store.csi.x-k8s.io/v1",
        kind="SecretProviderClass",
        metadata={"name": called, "namespace": namespace, "labels": labels},
        spec={
            "provider": "aws",
            "parameters": {"usePodIdentity": "true", "objects": pulumi.Output.json_dumps(objects)},
            "secretObjects": [
                {
                    "secretName": called,
                    "type": "Opaque",
                    "data": [{"objectName": each, "key": each} for each in secrets],
                }
            ],
        },
        opts=opts,
    )
