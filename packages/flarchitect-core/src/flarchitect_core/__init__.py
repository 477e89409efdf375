"""What every flarchitect transport shares: models, options, queries, writes and errors."""
