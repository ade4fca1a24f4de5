"""What becomes of the front: a short list, a long training for each, artifacts for the best."""
