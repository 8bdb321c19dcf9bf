"""The machinery of the JSON API: strict bodies, problems, ETags, pages of lists, the OpenAPI document."""
