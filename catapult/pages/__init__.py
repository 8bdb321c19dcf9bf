"""Door 2: the pages for people, one file a noun."""
