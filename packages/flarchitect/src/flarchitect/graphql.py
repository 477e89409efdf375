"""GraphQL over the published models."""

from __future__ import annotations

from flarchitect._parts import missing_part

raise missing_part("flarchitect.graphql", "flarchitect-graphql")
