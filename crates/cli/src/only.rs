//! Selections on the command line: how one is said again, and what is said of what it left out or did not meet.

use keyferry::Failure;

use crate::args::OnlyArgs;
use crate::failed::Failed;
use crate::output::Output;
use crate::words;

/// The patterns as they have to be typed again.
pub fn typed(args: &OnlyArgs) -> String {
    let again = |pattern: &String| format!(" --only {}", words::quoted(pattern));
    args.patterns.iter().map(again).collect()
}

/// Fields of the summary.
pub fn summarize(output: &Output, left_out: u64, unmet: &[String]) {
    output.summarize("left_out", left_out);
    output.summarize("unmet", unmet.to_vec());
}

/// What was left out, and which patterns met nothing.
pub fn tell(output: &Output, left_out: u64, unmet: &[String]) {
    if left_out > 0 {
        let others = words::number(left_out);
        output.text(format_args!("{others} more not selected"));
    }
    for pattern in unmet {
        output.warning(format_args!("nothing fits the pattern {pattern}"));
    }
}

/// The end of what was done for other patterns.
pub fn unmet(failure: Failure, unmet: &[String]) -> Failed {
    let patterns = words::count(unmet.len() as u64, "pattern");
    Failed::new(failure, format!("{patterns} met nothing: {}", unmet.join(", ")))
        .hint("a pattern fits the whole of a title, a name or an ID: *word* is one that has the word in it")
}
