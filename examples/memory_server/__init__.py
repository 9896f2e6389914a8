"""The reference workload: a real memory service on SQLite with full-text search; nothing in it sleeps to look slow."""
