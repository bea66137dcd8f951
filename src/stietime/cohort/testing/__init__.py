"""What is measured in a patient, and tests with patients as the unit."""
