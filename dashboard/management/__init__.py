"""Commands of the dashboard, found by Django."""
