"""Outputs made of outputs."""

from collections.abc import Mapping

import pulumi


def by_name(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[dict[str, str]]:
    """All the values, by name, once they are known.

    `pulumi.Output.all` alone gives a list, not a dict, where there are no names.
    """
    return pulumi.Output.all(**values) if values else pulumi.Output.from_input(dict[str, str]())
