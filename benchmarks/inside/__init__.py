"""What runs in a fresh Django process, on the database of the bench's own stack.

Called by name through `benchmarks.fresh`, which sets Django up before it imports any of these modules.
"""
