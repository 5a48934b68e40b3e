"""An equivariant network on atoms in space."""
