"""The door: bytes from CI become facts. Stands on health, never meets dashboard."""
