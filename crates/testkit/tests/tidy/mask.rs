//! Rust source taken apart into code, comments and the insides of strings, so that a rule about one doesn't see the
//! others. Not a parser: it knows just enough of the lexical rules to tell the three apart.

/// Three texts as long as the source, line for line: each has blanks where the others have something.
pub struct Masks {
    pub code: String,
    pub comments: String,
    pub strings: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Text,
}

pub fn masks(source: &str) -> Masks {
    let kinds = kinds(&source.chars().collect::<Vec<char>>());
    let only = |kind: Kind| {
        let kept = |(c, is): (char, &Kind)| if c == '\n' || *is == kind { c } else { ' ' };
        source.chars().zip(&kinds).map(kept).collect()
    };
    Masks {
        code: only(Kind::Code),
        comments: only(Kind::Comment),
        strings: only(Kind::Text),
    }
}

/// What each character is part of.
fn kinds(source: &[char]) -> Vec<Kind> {
    let mut kinds = Vec::with_capacity(source.len());
    while kinds.len() < source.len() {
        let at = kinds.len();
        let rest = &source[at..];
        if rest.starts_with(&['/', '/']) {
            let end = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
            kinds.resize(at + end, Kind::Comment);
        } else if rest.starts_with(&['/', '*']) {
            kinds.resize(at + block_comment(rest), Kind::Comment);
        } else if let Some((open, inside)) = string(source, at) {
            kinds.resize(at + open, Kind::Code);
            kinds.resize(at + open + inside, Kind::Text);
            // The closing quote; the hashes after it are code like any other.
            kinds.resize((at + open + inside + 1).min(source.len()), Kind::Code);
        } else {
            kinds.resize((at + character(rest)).min(source.len()), Kind::Code);
        }
    }
    kinds
}

/// Length of the comment that opens here; comments nest.
fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Where a string opens at `at`: the length of its opening and of its inside.
fn string(source: &[char], at: usize) -> Option<(usize, usize)> {
    let rest = &source[at..];
    if rest[0] == '"' {
        return Some((1, escaped_until(&rest[1..], '"')));
    }
    let is_prefix = at == 0 || !is_name(source[at - 1]) || matches!(source[at - 1], 'b' | 'c');
    if rest[0] != 'r' || !is_prefix {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    let open = 1 + hashes + 1;
    if rest.get(open - 1) != Some(&'"') {
        return None;
    }
    let mut close = vec!['#'; hashes + 1];
    close[0] = '"';
    let inside = &rest[open..];
    Some((
        open,
        inside
            .windows(close.len())
            .position(|window| window == close)
            .unwrap_or(inside.len()),
    ))
}

/// Length up to `end`, a backslash hiding the character after it.
fn escaped_until(rest: &[char], end: char) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != end {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// Length of a character literal that opens here, else 1: a quote may also open a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] => escaped_until(&rest[1..], '\'') + 2,
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines (from 1) of `text` in which `word` stands by itself.
pub fn lines_with(text: &str, word: &str) -> Vec<usize> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| contains_word(line, word))
        .map(|(number, _)| number + 1)
        .collect()
}

/// Whether `word` stands in `line` without a letter, digit or underscore touching its own letters.
pub fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = !word.starts_with(is_name) || !before.is_some_and(is_name);
        let closed = !word.ends_with(is_name) || !after.is_some_and(is_name);
        open && closed
    })
}

#[test]
fn the_three_are_told_apart() {
    let source = "let a = \"in \\\" text\"; // said\n/* more /* and */ */ 'x'; '\"'; '\\''; &'a b;\nbr##\"raw \"# end\"##; z";
    let masks = masks(source);
    for mask in [&masks.code, &masks.comments, &masks.strings] {
        assert_eq!(mask.lines().count(), 3);
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&masks.comments), "// said /* more /* and */ */");
    assert_eq!(words(&masks.strings), "in \\\" text raw \"# end");
    assert_eq!(
        words(&masks.code),
        "let a = \" \"; 'x'; '\"'; '\\''; &'a b; br##\" \"##; z"
    );
}

#[test]
fn what_is_never_closed_ends_with_the_file() {
    for source in ["\"abc", "/* abc", "r#\"abc", "'\\", "\"\\", "'", "r"] {
        assert_eq!(
            masks(source).code.chars().count(),
            source.chars().count(),
            "{source}"
        );
    }
}

#[test]
fn a_word_stands_by_itself() {
    assert_eq!(lines_with("a\nunsafe {\nunsafe_code", "unsafe"), [2]);
    assert!(contains_word("x.await?", ".await"));
    assert!(!contains_word("mytodo!()", "todo!"));
}
