//! Services that did not judge or can't be reached, as errors of this side.

use keyferry_protocol::{Problem, ProblemCode};

use crate::error::Error;

/// A service that can't be reached has a code of its own while it individualizes.
pub(super) fn while_individualizing(error: Error) -> Error {
    match error {
        Error::Transport(error) => Error::Individualization(error),
        other => other,
    }
}

/// A service that did not judge, as an error.
pub(crate) fn problem(problem: Problem) -> Error {
    Error::Problem {
        code: problem.code,
        message: problem.message.shown(),
        retry_after: problem.retry_after,
    }
}

/// Does the service not know this computer (any more)?
pub(crate) fn is_not_individualized(error: &Error) -> bool {
    matches!(
        error,
        Error::Problem {
            code: ProblemCode::NotIndividualized,
            ..
        }
    )
}
