"""The platform's own Lambda functions; in their image, each module lies at the root."""
