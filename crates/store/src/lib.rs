//! The license store of a computer: computer.key and store.sqlite.
