"""What every door accepts and answers: the schemas of the OpenAPI document, their fields, and strict JSON."""
