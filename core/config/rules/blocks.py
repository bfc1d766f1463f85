"""IPv4 CIDR blocks, for the rules that check them."""

import ipaddress
from collections.abc import Iterator

from core.config.errors import Fault, KeyPath, set_command, show


def check_blocks(path: KeyPath, blocks: tuple[str, ...], *, listed: bool) -> Iterator[Fault]:
    """Each value must be an IPv4 CIDR block.

    Args:
        path: The path of the list, or of the single value.
        blocks: The values.
        listed: Whether the values are in a list.
    """
    for position, block in enumerate(blocks):
        if not is_block(block):
            here = (*path, position) if listed else path
            yield Fault(
                path=here,
                got=show(block),
                allowed="an IPv4 CIDR block without host bits, for example 203.0.113.0/24",
                fix=set_command(here, "203.0.113.0/24"),
            )


def is_block(block: str) -> bool:
    """Whether it is an IPv4 CIDR block with a prefix length and without host bits."""
    try:
        return str(ipaddress.IPv4Network(block)) == block
    except ValueError:
        return False
