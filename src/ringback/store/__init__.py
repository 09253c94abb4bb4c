"""The database, behind `ringback.ports.store`: written once, for the dialects that Ringback knows."""
