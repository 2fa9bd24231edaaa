//! Passphrases, recipients and identities: from flags, files, commands or a person; never from arguments or the
//! environment.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use keyferry::{Encrypted, Encryption, Failure, Identity, Passphrase, Recipient, Unlock, Unlocker};
use zeroize::Zeroizing;

use crate::args::{EncryptArgs, SealArgs, UnlockArgs};
use crate::context::Context;
use crate::failed::{Failed, Result, plain};

/// A passphrase is at most this long, and so is a line that holds one.
const LINE_LIMIT: u64 = 4096;
/// Files with recipients or identities.
const FILE_LIMIT: u64 = 1024 * 1024;
/// Memory that opening may take without a word.
const QUIET_MEMORY: u64 = 256 << 20;

/// How a backup is to be encrypted; None: nothing was said and nobody can be asked.
pub fn encryption(context: &Context, args: &EncryptArgs) -> Result<Option<Encryption>> {
    if args.unencrypted {
        return Ok(Some(Encryption::None));
    }
    seal(context, &args.seal)
}

/// The same of what is never left unencrypted.
pub fn seal(context: &Context, args: &SealArgs) -> Result<Option<Encryption>> {
    if !args.recipient.is_empty() || !args.recipients_file.is_empty() {
        let mut recipients = Vec::new();
        for text in &args.recipient {
            recipients.push(text.parse::<Recipient>().map_err(keyferry::Error::from)?);
        }
        for file in &args.recipients_file {
            let read = Recipient::parse_file(&read_file(file)?);
            recipients.extend(read.map_err(|error| of_file(file, error))?);
        }
        return Ok(Some(Encryption::Recipients(recipients)));
    }
    if let Some(given) = given(
        args.passphrase_file.as_deref(),
        args.passphrase_command.as_deref(),
    )? {
        return Ok(Some(Encryption::Passphrase(given)));
    }
    if !context.can_ask() {
        return Ok(None);
    }
    asked_twice(context).map(|passphrase| Some(Encryption::Passphrase(passphrase)))
}

/// What opens backups of which there may be many: what flags say, and nobody is asked.
pub fn unlocker_if_given(context: &Context, args: &UnlockArgs) -> Result<Unlocker> {
    let is_given =
        args.passphrase_file.is_some() || args.passphrase_command.is_some() || !args.identity.is_empty();
    if is_given {
        unlocker(context, args)
    } else {
        Ok(Unlocker::default())
    }
}

/// What opens a backup: read now if flags say so, else asked for when it is needed.
pub fn unlocker(context: &Context, args: &UnlockArgs) -> Result<Unlocker> {
    if !args.identity.is_empty() {
        let mut identities = Vec::new();
        for file in &args.identity {
            identities.extend(Identity::parse_file(&read_file(file)?).map_err(|error| of_file(file, error))?);
        }
        return Ok(Unlocker::with(Unlock::Identities(identities)));
    }
    let given = given(
        args.passphrase_file.as_deref(),
        args.passphrase_command.as_deref(),
    )?;
    let (output, can_ask) = (Arc::clone(&context.output), context.can_ask());
    Ok(Unlocker::new(move |encrypted| {
        if encrypted.memory() > QUIET_MEMORY {
            output.note(format_args!(
                "opening this backup takes {} MiB of memory",
                encrypted.memory() >> 20
            ));
        }
        match (&given, encrypted) {
            (Some(passphrase), _) => Unlock::Passphrase(passphrase.clone()),
            (None, Encrypted::Passphrase { .. }) if can_ask => {
                prompt("passphrase of the backup: ").map_or(Unlock::None, Unlock::Passphrase)
            }
            _ => Unlock::None,
        }
    }))
}

/// From a file or a command.
fn given(file: Option<&Path>, command: Option<&str>) -> Result<Option<Passphrase>> {
    match (file, command) {
        (Some(file), _) => {
            let open = std::fs::File::open(file).map_err(|e| Failed::file("read", file, &e))?;
            let line = first_line(open).map_err(|e| Failed::file("read", file, &e))?;
            passphrase(&line)
                .map_err(|why| Failed::usage(format!("{}: {why}", file.display())))
                .map(Some)
        }
        (None, Some(command)) => from_command(command).map(Some),
        (None, None) => Ok(None),
    }
}

/// The first line of a file that holds a password.
pub fn password(file: &Path) -> Result<Zeroizing<String>> {
    let open = std::fs::File::open(file).map_err(|e| Failed::file("read", file, &e))?;
    let line = first_line(open).map_err(|e| Failed::file("read", file, &e))?;
    match line.is_empty() {
        true => Err(Failed::usage(format!(
            "{}: its first line is empty",
            file.display()
        ))),
        false => Ok(line),
    }
}

fn from_command(command: &str) -> Result<Passphrase> {
    let failed = |why: String| Failed::usage(format!("the passphrase command gave no passphrase: {why}"));
    let started = shell(command)
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|e| failed(plain(&e)))?;
    let line = child
        .stdout
        .take()
        .map_or_else(|| Ok(Zeroizing::default()), first_line);
    let status = child.wait().map_err(|e| failed(plain(&e)))?;
    if !status.success() {
        return Err(failed(format!("it ended with {status}")));
    }
    passphrase(&line.map_err(|e| failed(plain(&e)))?).map_err(failed)
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    shell
}

/// cmd takes all that stands between the outermost quotes as it is; it knows no escaping.
#[cfg(windows)]
fn shell(command: &str) -> Command {
    use std::os::windows::process::CommandExt as _;
    let mut shell = Command::new("cmd");
    shell
        .arg("/D")
        .arg("/S")
        .arg("/C")
        .raw_arg(format!("\"{command}\""));
    shell
}

/// Asks for a new passphrase twice, or makes one.
fn asked_twice(context: &Context) -> Result<Passphrase> {
    let Some(first) = prompt("new passphrase for the backup (empty: one is made for you): ") else {
        let made = Passphrase::generate().map_err(keyferry::Error::from)?;
        // The one time that it is shown; it is stored nowhere.
        context.output.secret_note(&format!(
            "write this passphrase down, it is stored nowhere: {}",
            made.expose()
        ));
        return Ok(made);
    };
    let again = prompt("the same again: ");
    if again.is_none_or(|again| again.expose() != first.expose()) {
        return Err(Failed::usage("the two passphrases differ").because("passphrases-differ"));
    }
    Ok(first)
}

/// Asks on the terminal without showing what is typed; None if nothing is.
fn prompt(question: &str) -> Option<Passphrase> {
    let typed = Zeroizing::new(rpassword::prompt_password(question).ok()?);
    passphrase(&typed).ok()
}

fn passphrase(line: &str) -> std::result::Result<Passphrase, String> {
    Passphrase::new(line.to_owned()).map_err(|error| error.to_string())
}

fn first_line(from: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(LINE_LIMIT as usize + 1));
    BufReader::with_capacity(1, from.take(LINE_LIMIT)).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

fn read_file(path: &PathBuf) -> Result<Zeroizing<String>> {
    let file = std::fs::File::open(path).map_err(|e| Failed::file("read", path, &e))?;
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_LIMIT)
        .read_to_string(&mut text)
        .map_err(|e| Failed::file("read", path, &e))?;
    Ok(text)
}

fn of_file(path: &Path, error: impl Into<keyferry::Error>) -> Failed {
    let failed = Failed::from(error.into());
    Failed {
        message: format!("{}: {}", path.display(), failed.message),
        ..failed
    }
}

/// Nothing was said about encryption, and nobody can be asked.
pub fn missing(program: &str, folder: &str, more: &str) -> Failed {
    Failed::new(Failure::InvalidArgument, "nothing says how the backup is to be encrypted, and nobody can be asked")
        .because("usage")
        .hint("one of --passphrase-file, --passphrase-command, -r, -R or --unencrypted is missing")
        .hint("whoever finds an unencrypted backup can restore it through the service, up to the limit of computers")
        .hint(format!("to make one all the same: {program} backup {folder} --unencrypted{more}"))
}

/// The flags as they were typed, to be typed again.
pub fn typed(args: &EncryptArgs) -> String {
    let mut words = Vec::new();
    let path = |path: &Path| crate::words::quoted(&path.display().to_string());
    words.extend(args.unencrypted.then(|| "--unencrypted".to_owned()));
    let args = &args.seal;
    words.extend(
        args.passphrase_file
            .iter()
            .map(|file| format!("--passphrase-file {}", path(file))),
    );
    let command = args.passphrase_command.iter();
    words.extend(command.map(|command| format!("--passphrase-command {}", crate::words::quoted(command))));
    words.extend(
        args.recipient
            .iter()
            .map(|recipient| format!("-r {}", crate::words::quoted(recipient))),
    );
    words.extend(
        args.recipients_file
            .iter()
            .map(|file| format!("-R {}", path(file))),
    );
    words.iter().map(|word| format!(" {word}")).collect()
}

/// The same for what opens a backup.
pub fn typed_unlock(args: &UnlockArgs) -> String {
    let mut words = Vec::new();
    let path = |path: &Path| crate::words::quoted(&path.display().to_string());
    words.extend(
        args.passphrase_file
            .iter()
            .map(|file| format!("--passphrase-file {}", path(file))),
    );
    let command = args.passphrase_command.iter();
    words.extend(command.map(|command| format!("--passphrase-command {}", crate::words::quoted(command))));
    words.extend(args.identity.iter().map(|file| format!("-i {}", path(file))));
    words.iter().map(|word| format!(" {word}")).collect()
}
