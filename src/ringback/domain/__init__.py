"""The nouns: what Ringback is about, with no input, output or clock."""
