"""Files of users, read with limits: regular files alone, no larger than asked for, numbers as everybody writes them."""
