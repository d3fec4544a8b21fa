"""Template tags: how values look. Never a query."""
