"""Pages of reports: their parts, their template and their pictures."""
