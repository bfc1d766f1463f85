"""The Kubernetes providers of the target."""

import pulumi
import pulumi_kubernetes as k8s


def kubernetes_provider(
    name: str,
    *,
    kubeconfig: pulumi.Input[str],
    cluster_identifier: pulumi.Input[str] | None = None,
    render_to: str | None = None,
    parent: pulumi.Resource,
) -> k8s.Provider:
    """Creates a provider that does not depend on the environment of the program.

    The SDK reads an option that is not set from an environment variable. So all options that change
    what happens to objects are set.

    Args:
        name: The logical name.
        kubeconfig: The kubeconfig. It is empty if objects are rendered to files.
        cluster_identifier: An identifier that is constant for the life of the cluster.
        render_to: The folder to which objects are rendered instead of being applied.
        parent: The parent component.
    """
    return k8s.Provider(
        name,
        kubeconfig=kubeconfig,
        cluster_identifier=cluster_identifier,
        render_yaml_to_directory=render_to,
        # An object that already exists has another owner. The create fails, so that the stack
        # neither changes the object nor deletes it on destroy.
        upsert_existing_objects=False,
        enable_patch_force=False,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=False,
        # An unreachable cluster is an error. It does not mean that its objects are deleted.
        delete_unreachable=False,
        skip_update_unreachable=False,
        opts=pulumi.ResourceOptions(parent=parent),
    )
