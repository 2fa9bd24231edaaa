//! The messages between a computer and a license management service.
