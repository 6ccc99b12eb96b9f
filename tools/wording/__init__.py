"""What tools/check-words looks for, and where."""
