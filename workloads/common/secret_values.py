"""Fetches the secrets that the environment refers to from Secrets Manager, once at the start."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_pascal

from .json_settings import json_object
from .settings import SettingError, needed

# A function has 10 s to start (AWS Lambda Developer Guide, "Lambda runtime environment lifecycle",
# init phase), imports included. Even if both attempts time out at each of three addresses of the
# endpoint, the error is logged before.
_CONNECT_SECONDS = 1
_READ_SECONDS = 2
_ATTEMPTS = 2


class Reference(BaseModel):
    """The parameters of GetSecretValue (Secrets Manager API reference, with its lengths)."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_pascal)

    secret_id: Annotated[str, Field(min_length=1, max_length=2048)]
    version_id: Annotated[str | None, Field(min_length=32, max_length=64)] = None


_Call = Callable[..., Mapping[str, Any]]
_REFERENCES = TypeAdapter(dict[str, Reference])


def with_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """Fetch the referenced secrets that the environment does not contain, concurrently.

    Args:
        env: `SECRET_REFERENCES`, a JSON object that maps a variable to its `Reference`, and
            `AWS_REGION`. The credentials come from the default chain of the AWS SDKs.

    Returns:
        The environment with the secrets' values.

    Raises:
        SettingError: If the references are malformed, or a secret cannot be read as text. The
            error names every such variable, its secret and the error code of AWS.
    """
    references = json_object(
        env, "SECRET_REFERENCES", _REFERENCES, "variable to parameters of GetSecretValue"
    )
    wanted = {name: reference for name, reference in references.items() if not env.get(name)}
    if not wanted:
        return dict(env)
    get = _get_secret_value(needed(env, "AWS_REGION", "SECRET_REFERENCES"), len(wanted))
    with ThreadPoolExecutor(len(wanted)) as pool:
        answers = {name: pool.submit(_text, get, wanted[name]) for name in wanted}
    reasons = {
        name: reason for name, answer in answers.items() if (reason := _reason(answer)) is not None
    }
    if reasons:
        told = "; ".join(
            f"{name} from {wanted[name].secret_id}: {reason}" for name, reason in reasons.items()
        )
        raise SettingError(f"SECRET_REFERENCES names secrets that cannot be read: {told}")
    return {**env, **{name: answer.result() for name, answer in answers.items()}}


def _get_secret_value(region: str, connections: int) -> _Call:
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=connections,
    )
    try:
        client = Session().create_client("secretsmanager", region_name=region, config=config)
    except BotoCoreError as error:
        raise SettingError(f"AWS_REGION is {region!r}: {error}") from error
    return cast("Any", client).get_secret_value


def _text(get: _Call, reference: Reference) -> str:
    answer = get(**reference.model_dump(by_alias=True, exclude_none=True))
    if "SecretString" not in answer:
        raise SettingError("a binary secret, where a text is needed")
    return answer["SecretString"]


def _reason(answer: Future[str]) -> str | None:
    error = answer.exception()
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "Unknown")
    if isinstance(error, BotoCoreError):
        return type(error).__name__
    if isinstance(error, SettingError):
        return str(error)
    answer.result()
    return None
