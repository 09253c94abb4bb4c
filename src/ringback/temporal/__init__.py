"""The Temporal server, behind `ringback.ports.activities`."""
