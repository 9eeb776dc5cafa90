"""What the command line can do, each over one session."""
