"""What keeps a workload up while it moves from one namespace to another."""

from collections.abc import Sequence

import pulumi


def per_namespace(
    name: str, namespace: str, opts: pulumi.ResourceOptions, *, keeps: Sequence[str] = ()
) -> tuple[str, pulumi.ResourceOptions]:
    """The logical name and the options of an object of which each namespace has one of its own.

    When a workload moves, such an object is not replaced, but made a second time. The first one
    stays until everything of the new namespace is ready: Pulumi deletes what has left the program
    at the end of an update.

    Args:
        name: The logical name without the namespace, which stacks made before this one have.
        namespace: The namespace.
        opts: The options of the object.
        keeps: What an object that was made under the former name keeps, as it cannot change in
            place.
    """
    options = pulumi.ResourceOptions.merge(
        opts,
        pulumi.ResourceOptions(
            aliases=[pulumi.Alias(name=name)], ignore_changes=list(keeps) or None
        ),
    )
    # An underscore, which no workload and no namespace has, so that no two come to the same name.
    return f"{name}_{namespace}", options
