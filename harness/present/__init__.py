"""What people and programs read: tables, verdicts, progress, the report, and the formats of other tools."""
