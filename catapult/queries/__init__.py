"""Every list and look-up, one file a noun. They only read: no locks, no changes."""
