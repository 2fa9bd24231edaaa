//! What a command works with: the home, the key guard and the output, resolved from flags and environment. Nothing is
//! opened before a command asks for it.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use keyferry::Restorer;
use keyferry_store::{FileGuard, KeyGuard, MachineIdentity, Store};

use crate::args::{Global, LogFormat};
use crate::failed::{Failed, Result};
use crate::output::Output;

/// Everything that commands share.
pub struct Context {
    pub output: Arc<Output>,
    pub yes: bool,
    home: Option<PathBuf>,
    no_progress: bool,
}

impl Context {
    /// From the flags, for a command with these words.
    pub fn new(global: &Global, log: LogFormat, command: String) -> Self {
        log_to_stderr(global, log);
        Self {
            output: Arc::new(Output::new(global, Some(command))),
            home: global.home.clone(),
            no_progress: global.no_progress,
            yes: global.yes,
        }
    }

    /// Are progress bars welcome?
    pub fn shows_progress(&self) -> bool {
        !self.no_progress && self.output.is_chatty() && io::stderr().is_terminal()
    }

    /// This computer's folder, made if absent and readable by its owner only.
    pub fn home(&self) -> Result<PathBuf> {
        let home = match &self.home {
            Some(home) => home.clone(),
            None => default_home()?,
        };
        keyferry::make_home(&home).map_err(|e| Failed::file("make the home", &home, &e))?;
        Ok(home)
    }

    /// The program as this person has to call it again.
    pub fn program(&self) -> String {
        match &self.home {
            Some(home) => format!(
                "keyferry --home {}",
                crate::words::quoted(&home.display().to_string())
            ),
            None => "keyferry".into(),
        }
    }

    /// What ties computer.key to this machine.
    pub fn guard(&self) -> Result<Arc<dyn KeyGuard>> {
        let machine = MachineIdentity::of_this_machine()?;
        if let Some(file) = machine.made() {
            self.output.note(format_args!(
                "this machine has no identity of its own; a random one stands in {}: keep that file",
                file.display()
            ));
        }
        Ok(Arc::new(FileGuard::new(machine)))
    }

    /// The license store of the home.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::open(&self.home()?, self.guard()?.as_ref())?)
    }

    /// The license store of the home, if there is one; none is made.
    pub fn existing_store(&self) -> Option<Store> {
        let home = self.home.clone().or_else(|| default_home().ok())?;
        if !home.join("computer.key").is_file() {
            return None;
        }
        Store::open(&home, self.guard().ok()?.as_ref()).ok()
    }

    /// The backup restorer object of the home.
    pub fn restorer(&self) -> Result<Restorer> {
        Ok(Restorer::new(self.home()?, self.guard()?))
    }

    /// Can a person be asked?
    pub fn can_ask(&self) -> bool {
        !self.output.is_json() && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks on the terminal for a line of text. The caller has made sure that it can ask.
    pub fn ask_text(&self, question: &str) -> Result<String> {
        self.output.flush();
        let mut stderr = io::stderr().lock();
        let mut answer = String::new();
        let asked = write!(stderr, "{question} ").and_then(|()| stderr.flush());
        asked
            .and_then(|()| io::stdin().read_line(&mut answer))
            .map_err(|e| Failed::other(format!("can't ask on the terminal: {}", crate::failed::plain(&e))))?;
        Ok(answer)
    }

    /// Asks on the terminal; anything but y and yes is a no. The caller has made sure that it can ask.
    pub fn ask(&self, question: &str) -> Result<bool> {
        let answer = self.ask_text(&format!("{question} [y/N]"))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// Unix seconds.
pub fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}

fn default_home() -> Result<PathBuf> {
    keyferry::default_home()
        .ok_or_else(|| Failed::usage("there is no home folder").hint("give --home a folder"))
}

fn log_to_stderr(global: &Global, format: LogFormat) {
    let level = match global.verbose {
        _ if global.quiet => tracing::Level::ERROR,
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_target(false);
    let _ = match format {
        LogFormat::Text => subscriber
            .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .try_init(),
        LogFormat::Json => subscriber
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
    };
}
