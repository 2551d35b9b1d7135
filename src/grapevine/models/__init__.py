"""Named systems, one short file a row of the table."""
