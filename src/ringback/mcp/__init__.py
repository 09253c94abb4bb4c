"""An MCP server with which an assistant lists questions to people and sends their decisions."""
