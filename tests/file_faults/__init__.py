"""Files that a user, an editor or a bad disk has changed: real folders, mutations of their structure, and what may come of them."""
