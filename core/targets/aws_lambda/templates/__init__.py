"""Bodies of requests and responses that API Gateway writes, in the Velocity template language.

Each template is a `.vtl` file in this folder. Its lines are joined without their indentation and
without line breaks. `${name}` is a placeholder that this program fills; what API Gateway fills has
no braces: `$name`.

Velocity's escape for JavaScript also escapes apostrophes, which is not valid JSON. Therefore each
template removes the backslash before an apostrophe.

The API Gateway Developer Guide does not document what `$input.path` returns if the path is absent,
null or an empty text. No template depends on it: `#set` with null leaves a name undefined, and an
undefined name counts as false.

Source: API Gateway Developer Guide, "API Gateway mapping template and access logging variable
reference".
"""

import json
from pathlib import Path
from typing import Final

from core.targets.aws_lambda.placeholders import fill


def _read(name: str) -> str:
    text = Path(__file__).with_name(f"{name}.vtl").read_text(encoding="utf-8")
    return "".join(line.strip() for line in text.splitlines())


CONNECTED: Final = _read("chat_connected")
"""The status of a mock integration that accepts a WebSocket connection."""

MESSAGE: Final = _read("chat_message")
"""The event of an agent's function for a message on a WebSocket."""

START: Final = _read("start")
"""Starts the state machine `${arn}` with the request's body as input.

Step Functions names the execution. Callers can set the id of a request, so an execution named after
it could take the name of another caller's execution.
"""

DESCRIBE: Final = _read("describe")
"""Reads the execution whose id is in the path; `${arn}` is the prefix of the executions' ARNs."""

DESCRIBED: Final = _read("described")
"""The status of an execution, its result if it has one, and its error if it failed."""

ANSWERED: Final = _read("answered")
"""The output of a synchronous execution, or the error that ended it with the status 502.

Only an execution that succeeded has an output (Step Functions API reference, StartSyncExecution).
"""

REFUSED: Final = _read("refused")
"""An error of Step Functions, with the status 404, 429 or 502.

All errors of Step Functions have the status 400, also ThrottlingException (Step Functions API
reference, "Common Errors"), so the template selects the caller's status by the error's type.
"""


def mock(status: int) -> str:
    """The request of a mock integration that responds with a status."""
    return json.dumps({"statusCode": status})


def error(text: str) -> str:
    """A response body with an error message."""
    return json.dumps({"error": text})


def started(status_path: str) -> str:
    """The id of a started execution, and the path of its status below `status_path`."""
    return fill(_read("started"), {"status_path": status_path})
