"""What a run tells about itself afterwards. Holds no personal data."""
