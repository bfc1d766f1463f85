"""The secrets of a workload, through the Secrets Store CSI driver."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.foundation.vault import Stored
from core.aws.names import short_hash

VOLUME = "vault"
"""The volume of the driver. Mounting it fetches the secrets."""


def vault_name(workload: str, secrets: Mapping[str, Stored]) -> pulumi.Output[str]:
    """The name of a workload's Kubernetes Secret, which contains a hash of its content.

    The driver creates a Secret for the first pod that mounts it, and does not update it while any
    pod mounts it. In a rolling update, this is always the case. So new pods get new values only
    under a new name (github.com/kubernetes-sigs/secrets-store-csi-driver,
    secretproviderclasspodstatus_controller).
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
    """Creates the SecretProviderClass of a workload: its secrets, and the variable of each.

    The driver reads the secrets with the permissions of the pod's service account and copies them
    to a Kubernetes Secret, which the API server encrypts with the stack's key. The variables of the
    container refer to this Secret.

    Args:
        name: The logical name.
        called: The name of the object, from `vault_name`.
        namespace: The workload's namespace.
        labels: The labels of the workload.
        secrets: The secrets, by variable.
        opts: The options of the object.
    """
    objects = [
        {
            "objectName": secret.arn,
            "objectType": "secretsmanager",
            "objectAlias": variable,
            # The version that the stack created, so that no pod starts with an earlier value.
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
