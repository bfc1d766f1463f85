"""The sandbox's offline implementation of kubernetes: an API server that validates and stores."""
