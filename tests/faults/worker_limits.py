"""How a test tells its worker that tasks have less time: seconds until the soft and until the hard limit."""

LIMITS = "SUITEWATCH_TESTS_TIME_LIMITS"
