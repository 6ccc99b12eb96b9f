"""What tools/audit-others audits, and on which images."""
