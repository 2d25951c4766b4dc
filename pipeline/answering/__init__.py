"""Floor 4: what turns models into answers: final models, ensembles, submissions."""
