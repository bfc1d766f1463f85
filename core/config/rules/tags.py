"""Rules about tags."""

from collections.abc import Iterator

from core.config.errors import Fault, rm_command, show
from core.config.rules.facts import Facts

# Tagging AWS Resources user guide, "Tag naming limits": 50 tags per resource (the platform adds
# four and a name), 128 characters per key, 256 per value. The prefix `aws:` is reserved.
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 45, 128, 256

# The same guide: besides letters, digits and spaces of any language.
_TAG_PUNCTUATION = frozenset(" _.:/=+-@")


def check_tags(facts: Facts) -> Iterator[Fault]:
    """Tags must be within the limits of AWS."""
    tags = facts.fleet.tags
    if len(tags) > MAX_TAGS:
        yield Fault(path=("tags",), got=f"{len(tags)} tags", allowed=f"at most {MAX_TAGS} tags")
    for key, value in tags.items():
        fix = rm_command(("tags", key))
        if not 1 <= len(key) <= MAX_TAG_KEY or key.lower().startswith("aws:"):
            yield Fault(
                path=("tags", key),
                got=show(key),
                allowed=f"a key of 1 to {MAX_TAG_KEY} characters that does not start with aws:",
                fix=fix,
            )
        if len(value) > MAX_TAG_VALUE:
            yield Fault(
                path=("tags", key),
                got=f"{len(value)} characters",
                allowed=f"a value of at most {MAX_TAG_VALUE} characters",
                fix=fix,
            )
        unsupported = sorted(
            character for character in {*key, *value} - _TAG_PUNCTUATION if not character.isalnum()
        )
        if unsupported:
            yield Fault(
                path=("tags", key),
                got=f"the characters {show(''.join(unsupported))}",
                allowed=f"letters, digits, spaces and {' '.join(sorted(_TAG_PUNCTUATION - {' '}))}",
                fix=fix,
            )
