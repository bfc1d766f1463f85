"""The bodies that API Gateway itself writes, in the Velocity template language.

Source: API Gateway Developer Guide, "API Gateway mapping template and access logging variable
reference".
"""

import json

# Velocity's escape of JavaScript also escapes apostrophes, which JSON does not know.
_BODY = r"""$util.escapeJavaScript($input.json('$')).replaceAll("\\'","'")"""

CONNECTED = '{"statusCode":200}'
"""What a mock integration says of a connection."""

MESSAGE = (
    '{"connection_id":"$context.connectionId","body":"'
    r"""$util.escapeJavaScript($input.body).replaceAll("\\'","'")"""
    '"}'
)
"""What an agent gets of a message on a WebSocket."""


def mock(status: int) -> str:
    """What tells a mock integration with which status to answer."""
    return json.dumps({"statusCode": status})


def error(text: str) -> str:
    """An answer that says what is wrong."""
    return json.dumps({"error": text})


def start(machine_arn: str) -> str:
    """Starts a state machine with the request's body as input.

    Step Functions names the execution: callers can set the id of the request, so with it they could
    choose the name of another caller's execution.
    """
    return f'{{"stateMachineArn":"{machine_arn}","input":"{_BODY}"}}'


def started(status_path: str) -> str:
    """Tells where a started execution is: at the path, with its id behind it."""
    id_ = """$input.path('$.executionArn').replaceAll("^.*:","")"""
    return f'{{"id":"{id_}","status":"{status_path}/{id_}"}}'


def describe(execution_arn: str) -> str:
    """Asks for the execution whose id is in the path."""
    id_ = r"""$util.escapeJavaScript($input.params('id')).replaceAll("\\'","'")"""
    return f'{{"executionArn":"{execution_arn}:{id_}"}}'


# What a path gives that is not in the answer, null or an empty text, is not documented: no template
# may depend on it. `#set` with null leaves a name undefined, which counts as false.
_OUTPUT = """#set($output = $input.path('$.output'))"""
_ERROR = """#set($error = $input.path('$.error'))"""
_HAS_OUTPUT, _HAS_ERROR = '$output && $output != ""', '$error && $error != ""'
_ERROR_TEXT = r"""$util.escapeJavaScript($error).replaceAll("\\'","'")"""

DESCRIBED = (
    f"""{_OUTPUT}{_ERROR}{{"status":"$input.path('$.status')","result":"""
    f"""#if({_HAS_OUTPUT})$output#{{else}}null#end,"error":"""
    f"""#if({_HAS_ERROR})"{_ERROR_TEXT}"#{{else}}null#end}}"""
)
"""How far an execution is: its status, its result once it has one, its error if it failed."""

ANSWERED = (
    f"""{_OUTPUT}{_ERROR}#if({_HAS_OUTPUT})$output#{{else}}"""
    """#set($context.responseOverride.status = 502)"""
    f"""{{"error":"#if({_HAS_ERROR}){_ERROR_TEXT}#{{else}}no answer#end"}}#end"""
)
"""What a synchronous execution gave, or which error ended it: only one that succeeded has an
output (Step Functions API reference, StartSyncExecution)."""


def refused() -> str:
    """Tells what Step Functions refused: all its errors have the same status, 400.

    What is not there is 404, what is too much 429 ("Common Errors" of the Step Functions API
    reference: ThrottlingException has status 400), and anything else 502.
    """
    return (
        """#set($type = $input.path('$.__type'))"""
        + _when(("ExecutionDoesNotExist", "InvalidArn"), 404, "there is no such execution")
        + """#{else}"""
        + _when(("Throttling", "LimitExceeded"), 429, "too many requests: ask again later")
        + """#{else}"""
        + _status(502)
        + error("the agent could not be asked")
        + "#end#end"
    )


def _when(types: tuple[str, str], status: int, text: str) -> str:
    either = " || ".join(f'$type.contains("{one}")' for one in types)
    return f"#if($type && ({either})){_status(status)}{error(text)}"


def _status(status: int) -> str:
    return f"#set($context.responseOverride.status = {status})"
