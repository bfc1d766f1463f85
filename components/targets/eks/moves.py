"""What keeps a workload up while it moves from one namespace to another."""

import pulumi


def per_namespace(
    name: str, namespace: str, opts: pulumi.ResourceOptions
) -> tuple[str, pulumi.ResourceOptions]:
    """The logical name and the options of an object that is not to be replaced when it moves.

    Most objects are replaced by one of another name or namespace, which Pulumi makes first. One
    whose options say that the old one goes first is made a second time instead, under another
    logical name: Pulumi deletes what has left the program at the end of an update.

    Args:
        name: The logical name without the namespace, which stacks made before this one have.
        namespace: The namespace.
        opts: The options of the object.
    """
    options = pulumi.ResourceOptions.merge(
        opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(name=name)])
    )
    # An underscore, which no workload and no namespace has, so that no two come to the same name.
    return f"{name}_{namespace}", options
