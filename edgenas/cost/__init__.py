"""What a network needs on a device, and where the figures come from. No TensorFlow here."""
