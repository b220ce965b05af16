"""Diffusion over motion in four objects: schedule, guidance, sampler; the model is H elsewhere."""
