"""What is simulated: particles, structure files, matching, repair, geometry."""
