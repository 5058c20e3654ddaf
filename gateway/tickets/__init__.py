"""Pure ticket policy: what a change of health means for a ticket."""
