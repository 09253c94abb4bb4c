"""The completion client: all that an activity can be told from outside, with no store."""
