"""A cohort with planted truth: for the demo, the tests and the benchmarks."""
