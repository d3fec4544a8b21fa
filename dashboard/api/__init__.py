"""The read API: the numbers of every page as JSON, at /api/v1/projects.

`urls`, `addresses` and `door` are small; everything else is imported by the first request that needs it, because
django-ninja and pydantic cost a process 14 MB. `operations` gathers the rest, one module for each theme.
"""
