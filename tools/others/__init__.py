"""What tools/audit-others opens, compares and audits: models from other people, one package a file, and images for them."""
