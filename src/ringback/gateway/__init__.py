"""HTTP for the outside: answers come in by link, and nothing else is needed to give one."""
