"""WebSockets that stay open at SIGTERM until the application closes them."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class DrainingWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which does not close the open connections when the server stops.

    uvicorn waits until the connections are closed, within its limit for requests in flight.
    `conversations.converse` closes each connection after its answer.
    """

    def shutdown(self) -> None:
        """Called on SIGTERM. Closes only connections that are not open yet or already closed."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
