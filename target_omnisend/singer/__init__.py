"""Singer messages and BATCH files: everything that knows the format."""
