"""Steps: glue between the features and the World. A step says what happens; the World does it."""
