//! Transcripts in Markdown: which commands they type, what they expect, and whether that came.

/// One command of a transcript.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is typed, with its continuation lines.
    pub typed: String,
    /// What shall be printed.
    pub expected: Vec<String>,
}

/// The commands of all `console` blocks.
pub fn commands(markdown: &str) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut inside = false;
    for (number, line) in markdown.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(typed) = line.strip_prefix("$ ") {
            found.push(Command {
                line: number + 1,
                typed: typed.to_owned(),
                expected: Vec::new(),
            });
        } else if let Some(command) = found.last_mut() {
            match line.strip_prefix("> ") {
                Some(more) if command.expected.is_empty() => {
                    command.typed.push('\n');
                    command.typed.push_str(more);
                }
                _ => command.expected.push(line.to_owned()),
            }
        }
    }
    for command in &mut found {
        while command.expected.last().is_some_and(|line| line.is_empty()) {
            command.expected.pop();
        }
    }
    found
}

/// Do the lines fit?
pub fn matches(expected: &[String], output: &[String]) -> bool {
    match expected.split_first() {
        None => output.is_empty(),
        Some((any, rest)) if any == "..." => (0..=output.len()).any(|skip| matches(rest, &output[skip..])),
        Some((first, rest)) => output
            .split_first()
            .is_some_and(|(line, more)| fits(first, line) && matches(rest, more)),
    }
}

/// What differs from run to run, and what stands for it.
const SHAPES: [(&str, &str); 9] = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
    (r"\b[0-9a-f]{64}\b", "<thumbprint>"),
    (r"\b[0-9a-f]{32}\b", "<random>"),
    (r"\b[0-9a-f]{8}\b", "<hex>"),
    (r"[A-Za-z0-9+/]{22}==", "<key-id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"127\.0\.0\.1:\d+", "<address>"),
    (r"\d+\.\d\d s\b", "<seconds>"),
    (r"\d+(\.\d+)? KiB\b", "<size>"),
];

/// The line with all that alike in every run.
fn normal(line: &str) -> String {
    SHAPES
        .iter()
        .fold(line.trim_end().to_owned(), |line, (shape, name)| {
            let shape = regex_lite::Regex::new(shape).expect("a pattern");
            shape.replace_all(&line, *name).into_owned()
        })
}

/// Does a line fit its pattern?
fn fits(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (normal(pattern), normal(line));
    let line = line.as_str();
    let mut parts = pattern.split("[..]");
    let Some(first) = parts.next() else {
        return line.is_empty();
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn blocks_are_read() {
        let found = commands("# T\n```sh\n$ no\n```\n```console\n$ one \\\n> two\nout\n\n$ three\n```\n");
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].typed.as_str(), found[0].expected.as_slice()),
            ("one \\\ntwo", lines("out").as_slice())
        );
        assert_eq!(found[1].line, 10);
    }

    #[test]
    fn wildcards() {
        assert!(fits("a [..] c", "a b b c") && fits("[..]", "") && fits("[..]x[..]y", "1x2y"));
        assert!(fits("at 127.0.0.1:1, 0.01 s", "at 127.0.0.1:40000, 12.34 s"));
        assert!(!fits("at 127.0.0.1:1", "at 127.0.0.2:1") && !fits("abcdef01", "abcdef0"));
        assert!(!fits("a [..] c", "a b d") && !fits("a", "ab") && !fits("[..]b", "a"));
        assert!(matches(&lines("a\n...\nd"), &lines("a\nb\nc\nd")));
        assert!(matches(&lines("a\n..."), &lines("a")));
        assert!(!matches(&lines("a"), &lines("a\nb")) && !matches(&lines("a\nb"), &lines("a")));
    }
}
