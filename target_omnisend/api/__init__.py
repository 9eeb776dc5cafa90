"""Everything that knows Omnisend's HTTP API."""
