//! What outlives a meeting: rows in SQLite or Postgres, objects in a folder or S3.
