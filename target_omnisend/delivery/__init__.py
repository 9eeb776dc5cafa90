"""The delivery engine: admit, submit, confirm, enrol, settle."""
