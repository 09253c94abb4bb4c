"""The operator API, for operators and for workers in any language: by bearer key, with a role."""
