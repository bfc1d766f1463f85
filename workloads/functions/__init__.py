"""The platform's own Lambda functions; in their image, each module is at the root."""
