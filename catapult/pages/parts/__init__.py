"""What several pages share: forms, lists, fragments, formats, charts."""
