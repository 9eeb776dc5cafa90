"""The commands of the command line, each over one session."""
