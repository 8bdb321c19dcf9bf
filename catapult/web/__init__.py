"""What the web doors share; the only room below the doors that knows the request."""
