"""The container's health check: ends with 0 if `GET /health` answers 200, else with 1.

It runs every few seconds, so it imports only the HTTP client of the standard library. It is run by
its path, because not every platform runs a check in the working folder of the image.
"""

import http.client
import os
import sys

_TIMEOUT_SECONDS = 3


def main() -> int:
    """Check the health of the server on this container's `PORT`.

    Returns:
        The exit status: 0 for healthy, 1 for anything else.
    """
    port = int(os.environ.get("PORT") or 8080)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        return 0 if connection.getresponse().status == http.client.OK else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
