//! How much one computer may ask. It is charged after its signature was verified: nobody uses up what is another's.

use keyferry_license::ComputerId;
use keyferry_protocol::Request;

use crate::limits::Limits;
use crate::metrics::Rejected;
use crate::pace::Pace;
use crate::service::{NotJudged, Service};

/// The paces of all computers.
pub(crate) struct ComputerPace {
    requests: Pace<ComputerId>,
    licenses: Pace<ComputerId>,
}

impl Default for ComputerPace {
    /// No limits.
    fn default() -> Self {
        Self {
            requests: Pace::new(0, 0),
            licenses: Pace::new(0, 0),
        }
    }
}

impl ComputerPace {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            requests: Pace::new(limits.computer_requests, 10),
            licenses: Pace::new(limits.computer_licenses, 20),
        }
    }

    pub(crate) fn forget(&self) {
        self.requests.forget();
        self.licenses.forget();
    }
}

impl Service {
    /// May this computer ask now?
    pub(crate) fn may_ask(&self, request: &Request) -> Result<(), NotJudged> {
        self.pace.requests.take(&request.computer, 1).map_err(|wait| {
            self.metrics.rejected(Rejected::ComputerRequests);
            NotJudged::Later("too many requests from this computer", wait)
        })
    }

    /// About so many licenses? Called before anything is judged or written.
    pub(crate) fn may_ask_about(&self, computer: ComputerId, licenses: usize) -> Result<(), NotJudged> {
        let licenses = u32::try_from(licenses).unwrap_or(u32::MAX);
        self.pace.licenses.take(&computer, licenses).map_err(|wait| {
            self.metrics.rejected(Rejected::ComputerLicenses);
            NotJudged::Later("too many licenses at a time from this computer", wait)
        })
    }
}
