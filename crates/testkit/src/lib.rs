//! What the tests of several crates share; never published.

mod left_out;

pub use left_out::{LEFT_OUT, left_out};
