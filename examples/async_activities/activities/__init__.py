"""The activity, once for each option."""
