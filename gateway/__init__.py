"""The Siaga process: ingest, storage, tickets, web, and their wiring (see README.md for the walk of one message)."""
