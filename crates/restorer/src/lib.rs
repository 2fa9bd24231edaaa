//! Move device-bound licenses to a new computer: the backup restorer object.
