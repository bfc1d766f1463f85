"""The providers of the sandbox; base.py speaks with the engine, each provider says what is so."""
