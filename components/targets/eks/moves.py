"""Moves of a workload between namespaces, without downtime."""

import pulumi


def per_namespace(
    name: str, namespace: str, opts: pulumi.ResourceOptions
) -> tuple[str, pulumi.ResourceOptions]:
    """The logical name and the options of an object that must not be replaced when it moves.

    For most objects, Pulumi creates the replacement first. An object with `delete_before_replace`
    would be deleted first. It gets a logical name with the namespace instead, so that a move
    creates a second object, and Pulumi deletes the first one at the end of the update.

    Args:
        name: The logical name without the namespace, which stacks of earlier versions have.
        namespace: The namespace.
        opts: The options of the object.
    """
    options = pulumi.ResourceOptions.merge(
        opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(name=name)])
    )
    # Names of workloads and namespaces have no underscore, so the logical name is unique.
    return f"{name}_{namespace}", options
