"""AWS Signature Version 4 on the requests that an agent sends to its servers."""

from collections.abc import AsyncGenerator

import anyio.to_thread
import httpx2
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

from .settings import SettingError

# The service name of API Gateway, for all integrations (API Gateway Developer Guide, "Control
# access to a REST API with IAM permissions").
_SERVICE = "execute-api"

# Headers that a proxy may rewrite (connection, accept-encoding, …) are not signed.
_SIGNED = ("content-type", "mcp-")


class Signature(httpx2.Auth):
    """Signs each request with its body, its content type and its `Mcp-` headers.

    The credentials come from the AWS SDK's default chain. They are read for each request, so that
    expired credentials are replaced.
    """

    def __init__(self, region: str) -> None:
        credentials = Session().get_credentials()
        if credentials is None:
            raise SettingError("MCP_SERVERS_AUTH is 'sigv4'; no AWS credentials were found for it")
        self._credentials = credentials
        self._region = region

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Send the request with its signature."""
        # The credentials may have to be fetched, which must not block the other requests.
        credentials = await anyio.to_thread.run_sync(self._credentials.get_frozen_credentials)
        signed = AWSRequest(
            method=request.method,
            url=str(request.url),
            headers={k: v for k, v in request.headers.items() if k.startswith(_SIGNED)},
            data=await request.aread(),
        )
        SigV4Auth(credentials, _SERVICE, self._region).add_auth(signed)
        request.headers.update(signed.headers.items())
        yield request
