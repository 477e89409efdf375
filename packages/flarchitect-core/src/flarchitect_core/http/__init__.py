"""What every HTTP transport shares: errors, the envelope, the request id and the request log."""
