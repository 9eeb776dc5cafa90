"""What a run tells about itself while it is under way. Holds no personal data."""
