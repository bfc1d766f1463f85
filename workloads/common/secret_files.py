"""Reads the secrets that the platform mounts as files, once at the start."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from .settings import SettingError

_DEFAULT_FOLDER = "/mnt/secrets"
# The longest secret in Secrets Manager (its API reference, CreateSecret, `SecretString`).
_MAX_BYTES = 65_536
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def with_files(env: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Read secrets from files, except for those that the environment contains.

    Args:
        env: `<NAME>_FILE`, the file of the secret `<NAME>`, for the names that are given; and
            `SECRETS_DIR` (`/mnt/secrets` if unset), a folder in which each file has the name of
            its variable, which may have any name. `<NAME>_FILE` takes precedence.
        names: The variables whose value is a secret.

    Returns:
        The environment with the secrets' values. A newline at the end of a file is removed.

    Raises:
        SettingError: If a configured file or folder cannot be read, or a file is not UTF-8 text of
            at most 65,536 bytes. The error names them and never a value.
    """
    files = _in_folder(env)
    files |= {name: Path(file) for name in names if (file := env.get(f"{name}_FILE"))}
    return {
        **env,
        **{name: _text(file, name) for name, file in files.items() if not env.get(name)},
    }


def _in_folder(env: Mapping[str, str]) -> dict[str, Path]:
    folder = Path(env.get("SECRETS_DIR") or _DEFAULT_FOLDER)
    if not env.get("SECRETS_DIR") and not folder.exists():
        return {}
    try:
        # A volume of Kubernetes also has folders; the files are links into them.
        return {
            file.name: file
            for file in sorted(folder.iterdir())
            if _VARIABLE.fullmatch(file.name) and file.is_file()
        }
    except OSError as error:
        raise SettingError(
            f"SECRETS_DIR is {str(folder)!r}, which is no folder to read from: {error.strerror}"
        ) from error


def _text(file: Path, name: str) -> str:
    try:
        content = file.read_bytes()
        text = content.decode()
    except OSError as error:
        raise SettingError(
            f"the file of the secret {name}, {str(file)!r}, cannot be read: {error.strerror}"
        ) from error
    except UnicodeDecodeError:
        # Without the cause, because it quotes the value.
        raise SettingError(
            f"the file of the secret {name}, {str(file)!r}, is no text in UTF-8"
        ) from None
    if len(content) > _MAX_BYTES:
        raise SettingError(
            f"the file of the secret {name}, {str(file)!r}, has {len(content)} bytes; "
            f"{_MAX_BYTES} are allowed"
        )
    return text.removesuffix("\n")
