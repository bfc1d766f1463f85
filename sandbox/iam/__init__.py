"""IAM policies and how IAM evaluates them."""
