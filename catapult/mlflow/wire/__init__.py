"""The machinery of MLflow's door: endpoints, messages, pages of searches, and refusals in MLflow's form."""
