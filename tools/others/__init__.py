"""What tools/audit-others opens, compares and audits: models from other people, one package per file, and images for them."""
