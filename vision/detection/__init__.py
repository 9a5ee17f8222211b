"""Pictures in, boxes out: the models and what runs them."""
