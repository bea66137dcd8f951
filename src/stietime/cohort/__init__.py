"""Patient-level statistics: tables in, tables out."""
