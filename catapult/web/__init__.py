"""What the web doors share. These are the only rooms below the doors that know the request."""
