//! The license management service: policy, ledger, HTTP and pages.
