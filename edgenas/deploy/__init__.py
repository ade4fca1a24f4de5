"""From a quantized file to a folder that an engineer can use the same day, and the proof that it works."""
