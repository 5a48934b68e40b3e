"""The message-passing network of the published method."""
