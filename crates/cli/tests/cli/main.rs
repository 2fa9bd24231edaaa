//! The command line as a process: exit codes, messages, files and lines of JSON.

mod busy;
mod by_file;
mod checking;
#[cfg(unix)]
mod databases;
mod describing;
mod documents;
#[cfg(target_os = "linux")]
mod elsewhere;
mod encrypting;
#[cfg(target_os = "linux")]
mod fitting;
mod flipped;
#[cfg(unix)]
mod hanging_up;
#[cfg(unix)]
mod hostile;
mod https;
mod issuing;
mod keeping;
mod lines;
mod listing;
mod logging;
mod manual;
mod place;
#[cfg(target_os = "linux")]
mod plugged;
mod recovering;
mod rehearsing;
mod release;
mod repairing;
mod revoke;
mod selecting;
mod serving;
mod showing;
mod starting;
#[cfg(unix)]
mod terminal;
mod trip;
mod trusting;
mod typing;
mod unit;
mod using;
