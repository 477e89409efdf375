"""What a mapped class is: keys, columns, relationships, names and fields, read once at start-up."""
