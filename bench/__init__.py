"""Benchmark: a report, not a test."""
