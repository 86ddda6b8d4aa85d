"""What panels are made of: the results folder that they read, HTML, SVG, the drawn day and feeder."""
