"""What `tools/watch-study` needs: scores of clean, changed and triggered images, and streams that are drawn of them."""
