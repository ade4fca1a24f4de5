"""A run while it goes on: in the terminal and as a web page that only reads."""
