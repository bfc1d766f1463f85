"""Validates requests of Bedrock's Converse and ConverseStream.

The shapes and their limits are those of botocore's model of the API. The rules for a conversation
are those of Bedrock's error messages (Amazon Bedrock User Guide, "Carry out a conversation with the
Converse API operations" and "Use a tool to complete a model response").
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.session import Session
from botocore.validate import ParamValidator

from sandbox.values.tree import part, parts


def error(operation: str, model: str, request: Mapping[str, Any]) -> str | None:
    """The reason why Bedrock refuses a request, or None.

    Args:
        operation: `Converse` or `ConverseStream`.
        model: The model's id, from the URL.
        request: The request's body.

    Returns:
        The reason, for a ValidationException.
    """
    shape, _ = shapes(operation)
    values = {**request, "modelId": model}
    report = ParamValidator().validate(values, shape)
    if report.has_errors():
        return str(report.generate_report())
    limits = next(_beyond_limits(shape, values, ""), None)
    return limits or next(_in_conversation(request), None)


@cache
def shapes(operation: str) -> tuple[StructureShape, StructureShape]:
    """Botocore's model of an operation.

    Args:
        operation: `Converse` or `ConverseStream`.

    Returns:
        The shapes of its request and its response.
    """
    model = Session().get_service_model("bedrock-runtime").operation_model(operation)
    return cast("StructureShape", model.input_shape), cast("StructureShape", model.output_shape)


def _beyond_limits(shape: Shape, value: object, path: str) -> Iterator[str]:
    """Validates strings by length, enumeration and pattern, which clients do not do."""
    if isinstance(shape, StringShape) and isinstance(value, str):
        allowed: Sequence[str] = shape.enum
        longest, pattern = shape.metadata.get("max"), shape.metadata.get("pattern")
        if allowed and value not in allowed:
            yield f"{path} is '{value}'; it must be one of {', '.join(allowed)}"
        elif longest is not None and len(value) > longest:
            yield f"{path} has {len(value)} characters; at most {longest} are allowed"
        elif pattern and not re.fullmatch(pattern, value):
            yield f"{path} is '{value}'; it must match {pattern}"
    for name, member, one in _members(shape, value):
        yield from _beyond_limits(member, one, f"{path}.{name}".lstrip("."))


def _members(shape: Shape, value: Any) -> Iterator[tuple[object, Shape, object]]:  # noqa: ANN401 - plain JSON
    """The members of a value: name or index, shape and value."""
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield name, member, value[name]
    elif isinstance(shape, ListShape):
        for number, one in enumerate(value):
            yield number, shape.member, one
    elif isinstance(shape, MapShape):
        for name, one in value.items():
            yield name, shape.value, one


def _in_conversation(request: Mapping[str, Any]) -> Iterator[str]:
    messages = parts(request, "messages")
    if not messages or messages[0]["role"] != "user":
        yield (
            "A conversation must start with a user message. Try again with a conversation that "
            "starts with a user message."
        )
    open_calls: list[str] = []
    before = ""
    for number, message in enumerate(messages):
        at = f"messages.{number}"
        blocks = parts(message, "content")
        if message["role"] == before:
            yield (
                "A conversation must alternate between user and assistant roles. Make sure the "
                "conversation alternates between user and assistant roles and try again."
            )
        if not blocks:
            yield f"The content field in the Message object at {at} is empty."
        for index, block in enumerate(blocks):
            if "text" in block and not block["text"].strip():
                yield f"The text field in the ContentBlock object at {at}.content.{index} is blank."
        yield from _in_results(at, [part(one, "toolResult") for one in blocks], open_calls)
        open_calls = [one["toolUse"]["toolUseId"] for one in blocks if "toolUse" in one]
        before = message["role"]
    if open_calls:
        yield _unanswered(f"messages.{len(messages)}", open_calls)
    blocks = [block for message in messages for block in parts(message, "content")]
    if (
        any("toolUse" in one or "toolResult" in one for one in blocks)
        and "toolConfig" not in request
    ):
        yield (
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )


def _in_results(
    at: str, results: Sequence[Mapping[str, Any]], calls: Sequence[str]
) -> Iterator[str]:
    """The errors of the tool results in a message that follows these calls."""
    given = [result["toolUseId"] for result in results if result]
    missing = [one for one in calls if one not in given]
    if missing:
        yield _unanswered(at, missing)
    if len(given) > len(calls):
        yield (
            f"The number of toolResult blocks at {at}.content exceeds the number of toolUse blocks "
            "of previous turn."
        )
    for index, result in enumerate(results):
        if result and result.get("status") == "error" and not result["content"]:
            yield (
                f"The content field at {at}.content.{index}.toolResult cannot be empty when status "
                "value is error."
            )


def _unanswered(at: str, calls: Sequence[str]) -> str:
    return f"Expected toolResult blocks at {at}.content for the following Ids: {', '.join(calls)}"
