"""What is measured, one module per piece: each has `measure(bench)` and returns one Section."""
