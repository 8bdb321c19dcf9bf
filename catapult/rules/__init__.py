"""What is true of versions and gates: no database, no Flask, no HTTP."""
