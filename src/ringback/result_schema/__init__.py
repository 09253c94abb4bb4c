"""What an activity returns, as a JSON Schema: made from its type, and checked."""
