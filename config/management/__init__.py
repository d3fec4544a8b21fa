"""Commands that Django finds here."""
