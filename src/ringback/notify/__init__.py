"""Telling the outside party, over HTTP, what became of its question."""
