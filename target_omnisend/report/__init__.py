"""What a run reports at its end. It holds no personal data."""
