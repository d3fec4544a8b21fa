"""How fast Suitewatch is, beside bare limits and peers: `make bench`, or `python -m benchmarks`.

One run measures everything in turns, prints ratios beside the floors of `docs/performance.md`, and writes JSON.
`pieces` are what is measured, `inside` is what runs in a Django process of its own.
"""
