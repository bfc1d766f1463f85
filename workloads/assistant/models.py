"""The Bedrock models that the assistant may ask, by Converse."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import cast

from botocore.config import Config
from botocore.session import Session
from pydantic_ai.models import Model
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.providers.bedrock import BedrockProvider

from common.settings import SettingError, needed

_CONNECT_SECONDS = 5
_READ_SECONDS = 120
_ATTEMPTS = 3


def bedrock(env: Mapping[str, str]) -> Callable[[], Model]:
    """Reads which model to ask.

    Args:
        env: `MODELS`, ids of Bedrock models or inference profiles, comma separated: the first is
            asked, and the next where that one fails. `AWS_REGION`. The credentials are found as
            every AWS SDK finds them.

    Returns:
        What makes the model, once: it looks for the credentials.

    Raises:
        SettingError: If no model is named, or no region.
    """
    names = [name.strip() for name in env.get("MODELS", "").split(",") if name.strip()]
    if not names:
        raise SettingError(
            "MODELS must name the Bedrock model to ask, such as amazon.nova-lite-v1:0"
        )
    region = needed(env, "AWS_REGION", "MODELS")

    @cache
    def model() -> Model:
        client = Session().create_client(
            "bedrock-runtime",
            region_name=region,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            ),
        )
        provider = BedrockProvider(bedrock_client=client)
        first, *rest = (BedrockConverseModel(name, provider=provider) for name in names)
        return cast("Model", FallbackModel(first, *rest)) if rest else first

    return model
