"""SQL: rows of queries as inputs with positions."""
