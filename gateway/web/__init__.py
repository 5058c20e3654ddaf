"""Pages for customers and staff, the API, health."""
