"""tests/mcp_servers."""
