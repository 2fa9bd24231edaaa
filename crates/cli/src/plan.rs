//! Plans on the command line: what is said of one that was written.

use keyferry::Failure;

use crate::args::PlanArgs;
use crate::output::Output;
use crate::words;

impl PlanArgs {
    /// Is this only a plan, with or without a file?
    pub fn is_dry(&self, dry_run: bool) -> bool {
        dry_run || self.plan_out.is_some()
    }
}

/// Where the plan is, and how it is carried out, unless it could only fail.
pub fn tell(output: &Output, args: &PlanArgs, failure: Option<Failure>) {
    let Some(file) = &args.plan_out else { return };
    output.text(format_args!("the plan is in {}", file.display()));
    if matches!(failure, None | Some(Failure::NotAllStored)) {
        let file = words::quoted(&file.display().to_string());
        output.hint(format_args!(
            "to carry it out, type the same with --plan {file} in place of --plan-out"
        ));
    }
}
