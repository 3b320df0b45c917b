"""portal: the page where people start."""
