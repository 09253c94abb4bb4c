"""Sources: signatures of providers' webhooks, and rules about what their events mean."""
