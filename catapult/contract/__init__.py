"""What goes in and out at every door: the schemas behind the OpenAPI document, their fields, and strict JSON."""
