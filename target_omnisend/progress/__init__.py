"""What a run reports while it is under way. It holds no personal data."""
