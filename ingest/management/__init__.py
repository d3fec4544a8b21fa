"""Commands of the door, found by Django."""
