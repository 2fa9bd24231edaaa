//! Pages for people: the start page, refusals, and what is not there. No script, nothing from elsewhere.

use crate::error::Result;
use crate::ledger::PageId;
use crate::service::Service;

impl Service {
    pub(crate) fn page_url(&self, page: &PageId) -> String {
        let digits: String = page.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}/refusals/{digits}", self.url())
    }

    /// The page of a refusal; `None` where there is none, or it is too old.
    pub fn refusal_page(&self, page: &PageId, now: u64) -> Result<Option<String>> {
        let page = self.ledger.page(page, now)?;
        Ok(page.map(|page| format!("<h1>{}</h1>", page.licenses)))
    }

    /// What stands at `/`.
    pub fn start_page(&self) -> String {
        String::new()
    }

    pub(crate) fn not_found_page(&self) -> String {
        String::new()
    }
}
