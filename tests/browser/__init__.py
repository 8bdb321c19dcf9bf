"""The pages in a real browser. A package, so that its browser ends with its last test: its loop would stay in the thread."""
