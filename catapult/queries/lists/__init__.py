"""What lists share: paging, sorting, columns as answers show them, prepared statements."""
