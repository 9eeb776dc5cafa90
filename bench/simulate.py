"""Placeholder."""


def simulate(**k): ...
