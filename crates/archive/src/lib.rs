//! The backup file of Keyferry, in three layers over Read, Write and Seek.
