"""Validates environment variables."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingError(ValueError):
    """The environment is invalid for this workload; the text is the reason."""


def whole_number(env: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    """Read a whole number from the environment.

    Args:
        env: The environment.
        name: The variable's name; empty counts as unset.
        default: The value of an unset variable.
        lowest: The minimum.
        highest: The maximum.

    Returns:
        The number.

    Raises:
        SettingError: If the value is not a whole number from `lowest` to `highest`.
    """
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise SettingError(
            f"{name} is {text!r}; it must be a whole number from {lowest} to {highest}"
        )
    return int(text)


def needed(env: Mapping[str, str], name: str, needed_by: str) -> str:
    """Read a variable that another one requires.

    Args:
        env: The environment.
        name: The variable's name; empty counts as unset.
        needed_by: The variable that requires it.

    Returns:
        The value.

    Raises:
        SettingError: If it is not set.
    """
    if not env.get(name):
        raise SettingError(f"{name} is not set; {needed_by} needs it")
    return env[name]


def https_url(url: str, what: str) -> str:
    """Check that the responses of a URL can be trusted: https, or a loopback address.

    Args:
        url: The URL.
        what: A description of the URL, for the error.

    Returns:
        The unchanged URL.

    Raises:
        SettingError: If it is another URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return url
    raise SettingError(f"{what} is {url!r}; it must be an https URL")
