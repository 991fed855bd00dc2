"""A kind of dataset and a kind of model for DIGITS, in a package of their own."""
