"""What words mean: pure functions without Django, used by ingest, store and pages alike."""
