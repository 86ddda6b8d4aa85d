"""What all results share: files, LaTeX, frames, figure style."""
