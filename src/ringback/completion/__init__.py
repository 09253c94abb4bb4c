"""The completion client: completes, fails, heartbeats or cancels activities, without a store."""
