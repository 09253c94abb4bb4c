"""Values and rules of Ringback; pure: no input, output or clock."""
