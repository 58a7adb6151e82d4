"""Studies: many materials times several potentials, computed once, remembered, resumable."""
