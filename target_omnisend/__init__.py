"""Singer target that exports customer segments to Omnisend."""
