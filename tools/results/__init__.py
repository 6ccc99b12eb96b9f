"""What the docs show of the studies: pages built from records, and every quoted figure checked against them."""
