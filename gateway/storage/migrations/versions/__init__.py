"""The revisions, oldest first. Never edited once released."""
