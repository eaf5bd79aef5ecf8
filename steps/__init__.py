"""Steps: glue between the features and the World. A step says what happens; it does not know how."""
