"""Inside an activity: ask the outside, and go to sleep until it answers."""
