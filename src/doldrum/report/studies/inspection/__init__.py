"""The page of the study `inspection`."""
