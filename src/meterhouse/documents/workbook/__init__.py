"""An invoice as an XLSX workbook: pages, and what each sheet shows."""
