"""Who calls, and what a caller may do; the same for every transport."""
