"""Pages for people: forms, their values, and how they are shown."""
