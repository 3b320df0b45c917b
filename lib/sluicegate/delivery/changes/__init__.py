"""What changes the outside: plans, deploys, syncs, swaps, and the ways back."""
