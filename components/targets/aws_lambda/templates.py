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

    Step Functions names the execution: the request's id, which callers can set, would let them
    choose the name of somebody else's.
    """
    return f'{{"stateMachineArn":"{machine_arn}","input":"{_BODY}"}}'


def started(status_path: str) -> str:
    """Tells where a started execution is: at the path, with its id behind it."""
    id_ = """$input.path('$.executionArn').replaceAll("^.*:","")"""
    return f'{{"id":"{id_}","status":"{status_path}/{id_}"}}'


def describe(execution_arn: str) -> str:
    """Asks for the execution whose id is in the path."""
    return f"""{{"executionArn":"{execution_arn}:$util.escapeJavaScript($input.params('id'))"}}"""


DESCRIBED = (
    """{"status":"$input.path('$.status')","result":"""
    """#if($input.path('$.output') != "")$input.path('$.output')#{else}null#end,"error":"""
    """#if($input.path('$.error') != "")"$util.escapeJavaScript($input.path('$.error'))"#{else}"""
    "null#end}"
)
"""How far an execution is: its status, its result once it has one, its error if it failed."""

ANSWERED = (
    """#if($input.path('$.status') == "SUCCEEDED")$input.path('$.output')#{else}"""
    """#set($context.responseOverride.status = 502)"""
    """{"error":"$util.escapeJavaScript($input.path('$.error'))"}#end"""
)
"""What a synchronous execution gave, or which error ended it."""
