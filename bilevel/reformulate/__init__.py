"""The followers replaced by conditions of one level, and the modes that take complementarity apart."""
