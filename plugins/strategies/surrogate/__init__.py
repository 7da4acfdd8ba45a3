"""What predicts a reward from an architecture: features, their scale, a Gaussian process."""
