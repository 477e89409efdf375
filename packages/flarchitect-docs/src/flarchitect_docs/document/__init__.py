"""The document: what the application offers, in the words of OpenAPI."""
