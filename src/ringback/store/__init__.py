"""The database, behind `ringback.ports.store`: written once for all dialects."""
