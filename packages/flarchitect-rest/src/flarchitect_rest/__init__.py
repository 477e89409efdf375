"""REST routes generated from SQLAlchemy models."""
