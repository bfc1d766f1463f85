"""Bedrock: the Converse API, its models, and the planner in place of a model."""
