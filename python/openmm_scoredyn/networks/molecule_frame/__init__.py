"""A perceptron over the molecule's internal coordinates."""
