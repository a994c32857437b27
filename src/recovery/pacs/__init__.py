"""The picture archive: Orthanc's files and its index in PostgreSQL, backed up, restored and proven together. Shipped to hosts."""
