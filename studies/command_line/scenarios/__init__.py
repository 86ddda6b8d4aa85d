"""The command `bilevel scenarios`, and what `bilevel check` says of a folder's scenarios."""
