"""What goes in and out at every door: the schemas that make the OpenAPI document, their fields, and JSON read strictly."""
