"""The verbs: what Ringback does, with everything outside of it behind `ringback.ports`."""
