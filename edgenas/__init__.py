"""edgenas: hardware-aware neural architecture search for edge devices."""
