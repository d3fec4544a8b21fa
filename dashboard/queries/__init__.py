"""One module per page: health's tables become frozen dataclasses, with a fixed number of queries."""
