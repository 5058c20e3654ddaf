"""What the parts of the gateway ask of one another, one module a subject. Adapters live in the parts."""
