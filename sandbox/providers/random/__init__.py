"""The Random provider."""
