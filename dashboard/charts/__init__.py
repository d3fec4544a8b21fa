"""Figures: dataclasses in, Plotly dictionaries out. Pure: no Django, no database."""
