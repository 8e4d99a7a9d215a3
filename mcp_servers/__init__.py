"""MCP servers for assistants: what a shop's staff may ask of MongoDB, each caller within their own store."""
