"""Public: contract suites for every extension point, and small models and data to run them on."""
