"""Lambda: the Runtime API, and web servers behind Lambda Web Adapter."""
