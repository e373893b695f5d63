"""The life of a model: learner, run, gate, version, artifact."""
