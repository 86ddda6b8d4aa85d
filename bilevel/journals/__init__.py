"""What keeps files of JSON lines whole: locks that die with their process, and a sum for every line."""
