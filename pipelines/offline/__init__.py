"""The search on archived strain, and the report of what it found."""
