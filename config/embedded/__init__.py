"""PostgreSQL, Valkey and our own processes as supervised children. Pure: no Django."""
