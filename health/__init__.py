"""The facts and what the words mean: the only room with tables, on which ingest and dashboard stand."""
