"""Who may update when, and what each answer means. Pure: time and inventory are arguments (see README.md)."""
