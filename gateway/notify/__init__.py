"""Ways out to people and systems: e-mail, webhooks."""
