"""A local Omnisend, for trying the target and for its tests."""
