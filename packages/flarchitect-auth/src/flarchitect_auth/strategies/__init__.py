"""Ways to recognise the caller of a request, one class each."""
