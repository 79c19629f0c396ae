"""Find the mistakes that Quart code is prone to, without importing it."""
