"""The recurrent controller of the policy-gradient strategies, with its gradients, in NumPy."""
