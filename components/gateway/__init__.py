"""The way in: TLS, authentication, routing."""

from components.gateway.gateway import Gateway

__all__ = ["Gateway"]
