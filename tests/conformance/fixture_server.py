"""A server with the tools, resources and prompts that the official conformance suite asks for.

It returns what the scenarios of the suite expect. The common code of the workloads serves it, so
that its protocol behaviour is that of every server of the fleet. It has no image: the runner starts
it as `python -m tests.conformance.fixture_server`.
"""

import base64
import json
import sys
from collections.abc import Mapping
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    AudioContent,
    Completion,
    CompletionArgument,
    CompletionContext,
    EmbeddedResource,
    ImageContent,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)
from pydantic import Field
from starlette.applications import Starlette

from common.runtime import start
from common.serving import application, mcp_server
from tests.conformance import fixture_inputs

MAX_BODY_BYTES = 1024 * 1024

# The smallest files of their kinds: a picture of one pixel, a sound of no samples.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAA"
    "AABJRU5ErkJggg=="
)
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="


def image() -> ImageContent:
    return ImageContent(data=PNG, mime_type="image/png")


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, text=text, mime_type=mime_type)
    return EmbeddedResource(resource=contents)


def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


def test_image_content() -> list[ImageContent]:
    """Return a picture."""
    return [image()]


def test_audio_content() -> list[AudioContent]:
    """Return a sound."""
    return [AudioContent(data=WAV, mime_type="audio/wav")]


def test_embedded_resource() -> list[EmbeddedResource]:
    """Return a resource."""
    return [embedded("test://embedded-resource", "This is an embedded resource content.")]


def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Return a text, a picture and a resource."""
    return [
        TextContent(text="Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", '{"test":"data"}', "application/json"),
    ]


async def test_logging_tool(ctx: Context) -> str:
    """Send a log message, if the client asked for any."""
    # Deprecated by the specification, but a client may still ask for it.
    await ctx.info("step one")  # pyright: ignore[reportDeprecated]
    return "A message was logged."


async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress three times."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100)
    return "Done."


def test_error_handling() -> str:
    """Fail, as a tool does."""
    raise ToolError("This tool intentionally returns an error for testing")


def test_header_parameter(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    """Take a parameter that is also in a header."""
    return f"region {region}"


def static_text() -> str:
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    return base64.b64decode(PNG)


def template_data(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def test_simple_prompt() -> str:
    """Give a prompt without arguments."""
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Give a prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def test_prompt_with_embedded_resource(
    resourceUri: str,  # noqa: N803 - the suite's name
) -> list[UserMessage]:
    """Give a prompt with the resource of a URI."""
    return [
        UserMessage(embedded(resourceUri, "Embedded resource content for testing.")),
        UserMessage("Please process the embedded resource above."),
    ]


def test_prompt_with_image() -> list[UserMessage]:
    """Give a prompt with a picture."""
    return [UserMessage(image()), UserMessage("Please analyze the image above.")]


async def complete(
    _ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    _context: CompletionContext | None,
) -> Completion:
    names = [name for name in ("paris", "park", "party") if name.startswith(argument.value)]
    return Completion(values=names, total=len(names), has_more=False)


TOOLS = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_logging_tool,
    test_tool_with_progress,
    test_error_handling,
    test_header_parameter,
    *fixture_inputs.TOOLS,
)
PROMPTS = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    *fixture_inputs.PROMPTS,
)


def build(env: Mapping[str, str]) -> Starlette:
    """Make the fixture's ASGI application.

    Args:
        env: The variables of the workload contract.

    Returns:
        The application, serving `/mcp` and `/health`.

    Raises:
        SettingError: If the environment is not right.
    """
    server = mcp_server("fixture", "What the conformance suite asks for.", env)
    for tool in TOOLS:
        server.add_tool(tool)
    for prompt in PROMPTS:
        server.prompt()(prompt)
    server.resource("test://static-text", mime_type="text/plain")(static_text)
    server.resource("test://static-binary", mime_type="image/png")(static_binary)
    server.resource("test://template/{id}/data", mime_type="application/json")(template_data)
    server.completion()(complete)
    return application(server, env, MAX_BODY_BYTES)


def main() -> int:
    """Serve the fixture; see `runtime.start` for the exit status."""
    return start(build, "fixture")


if __name__ == "__main__":
    sys.exit(main())
