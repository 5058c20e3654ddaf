"""The build hook: makes the browser assets where they are stale."""
