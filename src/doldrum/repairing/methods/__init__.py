"""Ways to take a backdoor out of a model, one a file. No method knows another; what several use is in `shared`."""
