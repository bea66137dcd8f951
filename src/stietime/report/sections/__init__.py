"""The sections of the pages, a module for each question."""
