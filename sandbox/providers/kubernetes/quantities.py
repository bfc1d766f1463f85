"""Quantities of Kubernetes, such as 250m or 1.5Gi, as numbers."""

import re
from collections.abc import Mapping
from fractions import Fraction

_FORM = re.compile(r"^([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i))?$")
# Source: "Quantity" of the Kubernetes API reference.
_DECIMAL: Mapping[str, int] = {
    "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_BINARY = "KMGTPE"


def amount(quantity: str | float) -> Fraction:
    """The number of a quantity.

    Args:
        quantity: a quantity that `syntax.is_quantity` accepts.

    Returns:
        The number, in the unit of the quantity: cores, bytes, or none.
    """
    match = _FORM.match(str(quantity))
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    number, exponent, suffix = match.groups()
    if exponent:
        return Fraction(number) * Fraction(10) ** int(exponent)
    if not suffix:
        return Fraction(number)
    if suffix.endswith("i"):
        return Fraction(number) * 1024 ** (_BINARY.index(suffix[0]) + 1)
    return Fraction(number) * Fraction(10) ** _DECIMAL[suffix]
