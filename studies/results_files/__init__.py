"""The files of results as readers take them: models of JSON files, columns of tables, and what a file may not claim."""
