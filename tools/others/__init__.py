"""What tools/audit-others opens, compares and audits: models that nobody here made, one package a file, and images for them."""
