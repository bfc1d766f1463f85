"""Manifests instead of a cluster: a provider with `renderYamlToDirectory`.

Every object becomes a file; nothing is created in a cluster or in the sandbox's cloud. Facts from
pulumi-kubernetes 4.34 (provider/pkg/provider/provider.go: CheckConfig, Read, renderYaml,
renderPathForResource): files are written and removed without a check, and a refresh reads none.
"""

import contextlib
import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.engine.provider import Call, Context, Failure, Made, RefusedError

KEY = "renderYamlToDirectory"
"""The property of the provider that names the folder."""
NOT_WITH_IT = ("cluster", "context", "kubeconfig")
"""Properties of the provider that cannot be combined with it."""
_CRDS, _MANIFESTS = "0-crd", "1-manifest"
_CRD = "CustomResourceDefinition"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


def folder_of(config: Mapping[str, Any]) -> Path | None:
    """The folder for the manifests.

    Args:
        config: the provider's configuration.

    Returns:
        The folder, relative to the program's, in which the engine starts providers; None if the
        provider uses a cluster.
    """
    given = config.get(KEY)
    return Path(given) if given and isinstance(given, str) else None


def renders_always(config: Mapping[str, Any]) -> bool:
    """Whether every update writes all files, including those of unchanged objects.

    Args:
        config: the provider's configuration.

    Returns:
        True if the folder and `alwaysRender` are set.
    """
    return folder_of(config) is not None and str(config.get("alwaysRender")).lower() == "true"


def config_errors(config: Mapping[str, Any]) -> list[Failure]:
    """The properties that cannot be combined with the folder in a provider's configuration.

    Args:
        config: the configuration.

    Returns:
        An error per property that is not compatible.
    """
    return [
        Failure(path=(key,), reason=f'"{key}" arg is not compatible with "{KEY}" arg')
        for key in NOT_WITH_IT
        if config.get(KEY) and config.get(key)
    ]


def path_of(folder: Path, obj: Mapping[str, Any]) -> Path:
    """The file of an object.

    Args:
        folder: the folder for the manifests.
        obj: the object, with apiVersion, kind and name.

    Returns:
        `1-manifest/<group>_<version>-<kind>-<namespace>-<name>.yaml` in the folder, the namespace
        being `default` where there is none; definitions of custom kinds are in `0-crd`.
    """
    metadata: Mapping[str, Any] = obj["metadata"]
    version = str(obj["apiVersion"]).replace("/", "_").replace(":", "_")
    namespace = metadata.get("namespace") or "default"
    name = f"{version}-{str(obj['kind']).lower()}-{namespace}-{metadata['name']}.yaml"
    return folder / (_CRDS if obj["kind"] == _CRD else _MANIFESTS) / name


def create(folder: Path, call: Call, id_: str) -> Made:
    """Writes the file of an object.

    Args:
        folder: the folder for the manifests.
        call: the checked object.
        id_: its id.

    Returns:
        The id, and the object as written, without additions of controllers.

    Raises:
        RefusedError: the file cannot be written.
    """
    return Made(id=id_, properties=update(folder, call))


def read(call: Call) -> Made | None:
    """Answers a refresh from the state; the files are not read.

    Args:
        call: id, and inputs and properties as of the last update.

    Returns:
        The object as of the last update; None if the state does not have it, as in an import.
    """
    if not call.properties:
        return None
    return Made(id=call.id, properties=call.properties, inputs=call.old_inputs)


def update(folder: Path, call: Call) -> Mapping[str, Any]:
    """Rewrites the file of an object.

    Args:
        folder: the folder for the manifests.
        call: the checked object.

    Returns:
        The object as written; a preview writes nothing.

    Raises:
        RefusedError: the file cannot be written.
    """
    obj = copy.deepcopy(dict(call.inputs))
    if call.preview:
        return obj
    path = path_of(folder, obj)
    try:
        for part in (_CRDS, _MANIFESTS):
            (folder / part).mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(obj, allow_unicode=True, width=math.inf), encoding="utf-8")
        path.chmod(_FILE_MODE)
    except OSError as error:
        raise RefusedError(f'failed to write YAML file: "{path}": {error.strerror}') from error
    return obj


def delete(folder: Path, call: Call) -> None:
    """Removes the file of an object; a missing file is not an error.

    Args:
        folder: the folder for the manifests.
        call: the object as of the last update.
    """
    with contextlib.suppress(OSError):
        path_of(folder, call.properties).unlink()


def warn_of_secrets(context: Context, call: Call, *, secret_kind: bool) -> None:
    """Warns that a file will contain a secret in plaintext.

    Args:
        context: cloud and configuration.
        call: the object as written.
        secret_kind: whether its kind is Secret, whose data are always secret.
    """
    data = (call.inputs.get("data"), call.inputs.get("stringData"))
    if call.secrets or (secret_kind and any(data)):
        context.warn(
            call.urn, f"{call.name}: rendered YAML will contain a secret value in plaintext"
        )
