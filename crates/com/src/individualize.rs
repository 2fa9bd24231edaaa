//! The value of WMT_INDIVIDUALIZE.

use std::ptr;

use keyferry::{IndividualizeStep, Status};

use crate::entry::of_value;
use crate::interfaces::WM_INDIVIDUALIZE_STATUS;

const NOT_INITIATED: i32 = 0;
const REQUESTING: i32 = 2;
const COMPLETED: i32 = 4;

/// What the SDK's structure says of a step.
pub(crate) fn status(step: IndividualizeStep) -> WM_INDIVIDUALIZE_STATUS {
    let http = match step {
        IndividualizeStep::Begin => REQUESTING,
        IndividualizeStep::Succeed => COMPLETED,
        _ => NOT_INITIATED,
    };
    WM_INDIVIDUALIZE_STATUS {
        hr: of_value(Status::Individualize(step).hresult().0),
        enIndiStatus: step.value().cast_signed(),
        pszIndiRespUrl: ptr::null(),
        dwHTTPRequest: u32::from(http != NOT_INITIATED),
        enHTTPStatus: http,
        dwHTTPReadProgress: 0,
        dwHTTPReadTotal: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry::HResult;

    #[test]
    fn each_step_has_the_numbers_of_the_header() {
        let numbers = |step| {
            let status = status(step);
            (
                status.hr.0,
                status.enIndiStatus,
                status.dwHTTPRequest,
                status.enHTTPStatus,
            )
        };
        assert_eq!(numbers(IndividualizeStep::Begin), (0, 1, 1, 2));
        assert_eq!(numbers(IndividualizeStep::Succeed), (0, 2, 1, 4));
        let failed = IndividualizeStep::Fail(HResult(0xC00D_2845));
        assert_eq!(numbers(failed), (0xC00D_2845_u32 as i32, 4, 0, 0));
        let size = if cfg!(target_pointer_width = "64") { 32 } else { 28 };
        assert_eq!(size_of::<WM_INDIVIDUALIZE_STATUS>(), size);
    }
}
