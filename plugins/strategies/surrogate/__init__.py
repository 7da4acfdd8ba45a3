"""The prediction of rewards: features of an architecture, a scale of rewards, a regressor."""
