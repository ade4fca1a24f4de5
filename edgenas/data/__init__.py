"""Data sets: named ones, files, folders and arrays; splits that keep a test set untouched."""
