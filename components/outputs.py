"""Functions that combine outputs."""

import hashlib
from collections.abc import Mapping

import pulumi


def by_name(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[dict[str, str]]:
    """One output with all values, by name.

    `pulumi.Output.all` returns a list instead of a dict if there are no values.
    """
    return pulumi.Output.all(**values) if values else pulumi.Output.from_input(dict[str, str]())


def fingerprint(value: pulumi.Input[object]) -> pulumi.Output[str]:
    """The SHA-256 hash of the JSON of a value. It changes when the value changes."""
    return pulumi.Output.json_dumps(value, sort_keys=True).apply(
        lambda text: hashlib.sha256(text.encode()).hexdigest()
    )
