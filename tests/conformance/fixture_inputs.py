"""The fixture's tools and prompts that ask the client for input (MCP 2026-07-28, SEP-2322).

Such a tool keeps no state between the rounds: the data of an earlier round is in the request state,
which the SDK seals and verifies.
"""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel


def form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    """A question to the user with one field to fill in."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field: {"type": kind}},
        "required": [field],
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def messages(text: str) -> list[SamplingMessage]:
    return [SamplingMessage(role="user", content=TextContent(text=text))]


def sample(text: str) -> CreateMessageRequest:
    """A question to the client's model."""
    params = CreateMessageRequestParams(messages=messages(text), max_tokens=100)
    return CreateMessageRequest(params=params)


def ask(requests: dict[str, InputRequest], state: str | None = None) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def filled_in(ctx: Context, key: str, field: str) -> str | None:
    """What the user filled in for the request `key`, or None if there is no such answer yet."""
    response = (ctx.input_responses or {}).get(key)
    if not isinstance(response, ElicitResult) or not response.content:
        return None
    return str(response.content.get(field))


def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Greet the user by the name that they give."""
    name = filled_in(ctx, "user_name", "name")
    if name is None:
        return ask({"user_name": form("What is your name?", "name")})
    return f"Hello, {name}!"


def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
    """Let the client's model name a capital."""
    response = (ctx.input_responses or {}).get("capital_question")
    if not isinstance(response, CreateMessageResult):
        return ask({"capital_question": sample("What is the capital of France?")})
    return response.content.text if isinstance(response.content, TextContent) else "no text"


def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
    """List the client's roots."""
    response = (ctx.input_responses or {}).get("client_roots")
    if not isinstance(response, ListRootsResult):
        return ask({"client_roots": ListRootsRequest()})
    return "\n".join(str(root.uri) for root in response.roots)


def test_input_required_result_request_state(ctx: Context) -> str | InputRequiredResult:
    """Ask for a confirmation, and know it again by the request state."""
    confirmed = filled_in(ctx, "confirm", "ok")
    if confirmed is None or ctx.request_state != "asked to confirm":
        return ask({"confirm": form("Please confirm", "ok", "boolean")}, "asked to confirm")
    return "state-ok"


def test_input_required_result_tampered_state(ctx: Context) -> str | InputRequiredResult:
    """Ask likewise; a state that was changed never gets here."""
    return test_input_required_result_request_state(ctx)


def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
    """Ask the user, the model and for the roots at once."""
    requests: dict[str, InputRequest] = {
        "user_name": form("What is your name?", "name"),
        "greeting": sample("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    }
    if requests.keys() - (ctx.input_responses or {}).keys():
        return ask(requests, "asked for all three")
    return "All three are there."


def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
    """Ask for a name, then for a color."""
    first = filled_in(ctx, "step1", "name")
    if ctx.request_state == "step 2":
        color = filled_in(ctx, "step2", "color")
        if color is not None:
            return f"The favorite color is {color}."
    elif first is None:
        return ask({"step1": form("Step 1: What is your name?", "name")}, "step 1")
    return ask({"step2": form("Step 2: What is your favorite color?", "color")}, "step 2")


def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
    """Ask only for input that the client supports."""
    able = ctx.client_capabilities
    requests: dict[str, InputRequest] = {}
    if able and able.elicitation:
        requests["user_name"] = form("What is your name?", "name")
    if able and able.sampling:
        requests["greeting"] = sample("Generate a greeting")
    if not requests or ctx.input_responses:
        return "Nothing to ask."
    return ask(requests)


def test_streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Ask for a name, as part of a stream."""
    return test_input_required_result_elicitation(ctx)


def test_input_required_result_prompt(ctx: Context) -> str | InputRequiredResult:
    """Give a prompt with what the user says."""
    context = filled_in(ctx, "user_context", "context")
    if context is None:
        return ask({"user_context": form("What context should the prompt use?", "context")})
    return f"Mind the context: {context}"


def question(prompt: str) -> Sample:
    return Sample(messages(prompt), max_tokens=100)


def test_sampling(
    prompt: str,
    answer: Annotated[CreateMessageResult, Resolve(question)],
) -> str:
    """Let the client's model answer, in the way of the client's revision."""
    return f"LLM response: {answer.content}"


class UserResponse(BaseModel):
    """The input requested from the user."""

    response: str


def user_question(message: str) -> Elicit[UserResponse]:
    return Elicit(message, UserResponse)


def test_elicitation(
    message: str,
    answer: Annotated[UserResponse, Resolve(user_question)],
) -> str:
    """Ask the user, in the way of the client's revision."""
    return f"User response: {answer.response}"


def fixed_question() -> Sample:
    return question("What is the capital of France?")


def test_missing_capability(answer: Annotated[CreateMessageResult, Resolve(fixed_question)]) -> str:
    """The SDK refuses a client that cannot sample, with the error of the specification."""
    return f"answered by {answer.model}"


TOOLS = (
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    test_streaming_elicitation,
    test_missing_capability,
    test_sampling,
    test_elicitation,
)
PROMPTS = (test_input_required_result_prompt,)
