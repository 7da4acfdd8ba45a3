"""The recurrent controller of the policy-gradient strategies, its gradients written out."""
