"""The Bedrock models of the assistant, called with Converse."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from pydantic_ai.exceptions import AgentRunError, FallbackExceptionGroup
from pydantic_ai.models import Model
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.providers.bedrock import BedrockProvider

from common.settings import SettingError, needed

FAILURES = (AgentRunError, FallbackExceptionGroup, BotoCoreError)
"""What a request to a model raises: the library's own errors, those of all models together, and
what it lets through of the AWS SDK's, such as that there are no credentials."""

_CONNECT_SECONDS = 5
_READ_SECONDS = 120
_ATTEMPTS = 3


class ModelFailedError(Exception):
    """The model did not answer; the text names only the type of the error."""


def failed(name: str, error: BaseException) -> ModelFailedError:
    """Names the failure of a model by the types of its errors: texts may quote the conversation."""
    errors: Iterable[BaseException] = [error]
    if isinstance(error, BaseExceptionGroup):
        errors = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return ModelFailedError(f"the model {name}: {', '.join(type(one).__name__ for one in errors)}")


def bedrock(env: Mapping[str, str]) -> Callable[[], Model]:
    """Reads the models from the environment.

    Args:
        env: `MODELS`, ids of Bedrock models or inference profiles, comma-separated, in order of
            preference: the next is called if one fails. `AWS_REGION`. The credentials come from
            the default chain of the AWS SDKs.

    Returns:
        A function that makes the model, once, and looks up the credentials. It raises
        `ModelFailedError` on failure.

    Raises:
        SettingError: If no model or no region is set.
    """
    names = [name.strip() for name in env.get("MODELS", "").split(",") if name.strip()]
    if not names:
        raise SettingError(
            "MODELS must name the Bedrock model to ask, such as amazon.nova-lite-v1:0"
        )
    region = needed(env, "AWS_REGION", "MODELS")

    @cache
    def model() -> Model:
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        )
        try:
            client = Session().create_client("bedrock-runtime", region_name=region, config=config)
        except BotoCoreError as error:
            raise failed(names[0], error) from error
        provider = BedrockProvider(bedrock_client=client)
        first, *rest = (BedrockConverseModel(name, provider=provider) for name in names)
        return cast("Model", FallbackModel(first, *rest)) if rest else first

    return model
