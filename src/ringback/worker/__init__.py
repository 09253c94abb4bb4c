"""What runs inside an activity: open a callback, submit its link, complete asynchronously."""
