"""Outputs made of outputs."""

import hashlib
from collections.abc import Mapping

import pulumi


def by_name(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[dict[str, str]]:
    """All the values, by name, once they are known.

    `pulumi.Output.all` alone gives a list, not a dict, where there are no names.
    """
    return pulumi.Output.all(**values) if values else pulumi.Output.from_input(dict[str, str]())


def fingerprint(value: pulumi.Input[object]) -> pulumi.Output[str]:
    """A hash of a value, to tell when it changes: the SHA-256 of its JSON, once all is known."""
    return pulumi.Output.json_dumps(value, sort_keys=True).apply(
        lambda text: hashlib.sha256(text.encode()).hexdigest()
    )
