//! What the tests of several crates share; never published.
//!
//! [`World`] is a publisher, a service in this process and any number of [`Computer`]s, each in a temporary folder of
//! its own. [`Direct`] carries requests to the service without a network and counts them; [`Bent`] is a way there that
//! misbehaves. [`Recorder`] keeps what an operation tells, and [`Scanner`] looks for secrets where none may be,
//! [`LineSchema`] holds what `keyferry --json` prints to its schema. `Postgres` is a database server that ends with the tests.
//! Everything here panics where it can't do its work: it is for tests.

mod clock;
mod computer;
mod flips;
#[cfg(unix)]
mod keeper;
mod left_out;
mod lines;
mod parts;
#[cfg(unix)]
mod patroni;
#[cfg(unix)]
mod postgres;
mod publisher;
mod recorder;
mod scanner;
mod transport;
mod waiting;
mod world;

pub use clock::SetClock;
pub use computer::{Computer, Ended, Ending};
pub use flips::{Flips, Restoring, names_place, restored};
pub use left_out::{LEFT_OUT, left_out};
pub use lines::LineSchema;
pub use parts::{Part, part_at, parts};
#[cfg(unix)]
pub use patroni::PatroniPair;
#[cfg(unix)]
pub use postgres::Postgres;
pub use publisher::{Issued, Publisher, Wanted};
pub use recorder::{Recorder, Seen};
pub use scanner::{Scanner, files_below};
pub use transport::{Bent, Direct, Fault, Traffic, kind_of};
pub use waiting::until;
pub use world::{Hosted, NOW, World};
