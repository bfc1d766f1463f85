"""WebSockets that stay open at SIGTERM until the application closes them."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class DrainingWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, without its closing of every connection when the server shuts down.

    uvicorn waits for the connections to end, within its limit for requests in flight.
    `conversations.converse` closes each of them when its answer has been sent.
    """

    def shutdown(self) -> None:
        """Called on SIGTERM. Connections that are not open yet, or closed already, end here."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
