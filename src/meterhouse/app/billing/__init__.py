"""From golden records to issued invoices: see README.md."""
