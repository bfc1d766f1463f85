"""The base class of the program's components."""

import inspect

import pulumi


class Component(pulumi.ComponentResource):
    """A component whose outputs are the annotations in its class body.

    A subclass annotates its outputs in the class body, and nothing else. It passes `child_opts` to
    its children, sets every output and calls `register` at the end of its `__init__`:

        class Bucket(Component):
            arn: pulumi.Output[str]

            def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
                super().__init__("mcp-platform:index:Bucket", name, opts)
                bucket = aws.s3.Bucket(f"{name}-bucket", opts=self.child_opts)
                self.arn = bucket.arn
                self.register()
    """

    def __init__(self, type_: str, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component.

        Args:
            type_: The type token.
            name: The logical name.
            opts: The options of the caller. They are not passed to the children.
        """
        super().__init__(type_, name, None, opts)
        self.child_opts: pulumi.ResourceOptions = pulumi.ResourceOptions(parent=self)
        """The default options of a child."""

    @property
    def outputs(self) -> dict[str, object]:
        """The annotated outputs, by name.

        Raises:
            AttributeError: An annotated output is not set.
        """
        names = [
            name
            for each in reversed(type(self).__mro__)
            if issubclass(each, Component)
            for name in inspect.get_annotations(each)
        ]
        values = vars(self)
        if missing := [name for name in names if name not in values]:
            raise AttributeError(
                f"{type(self).__name__} does not set its outputs: {', '.join(missing)}"
            )
        return {name: values[name] for name in names}

    def register(self) -> None:
        """Registers the annotated outputs, and with them that the component is complete."""
        self.register_outputs(self.outputs)
