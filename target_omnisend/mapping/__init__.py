"""From a record to a contact: pure functions, no I/O, no clock."""
