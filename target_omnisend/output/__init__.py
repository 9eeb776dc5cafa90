"""What a run writes: STATE lines, rejected records, files, the terminal."""
