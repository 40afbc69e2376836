"""What experiments share: problems, files, rows, tables, figures' style."""
