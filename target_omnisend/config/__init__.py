"""The settings: declared once, checked, and read from files and the environment."""
