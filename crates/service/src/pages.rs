//! Pages for people: the start page, refusals, and what is not there. No script, nothing from elsewhere.

use std::collections::HashMap;

use askama::Template;
use keyferry_license::{Card, ComputerId, Thumbprint};

use crate::error::Result;
use crate::ledger::{PageId, RefusalPage, RefusedLicense};
use crate::policy;
use crate::service::Service;

mod words;

use words::{Words, date, mask, with_separators, words};

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalHtml {
    service: String,
    thumbprint: Thumbprint,
    date: String,
    words: Words,
    own: String,
    licenses: u64,
    count: String,
    shows_holders: bool,
    groups: Vec<Group>,
    more: u64,
    more_text: String,
    issuers: Vec<Publisher>,
}

/// Licenses of one issuer that the same computers hold.
struct Group {
    titles: Vec<String>,
    issuer: String,
    limit: u32,
    holders: Vec<Holder>,
}

#[derive(Clone, PartialEq, Eq)]
struct Holder {
    slot: u32,
    name: String,
    since: String,
    own: bool,
}

#[derive(PartialEq, Eq)]
struct Publisher {
    name: String,
    url: Option<String>,
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartHtml {
    service: String,
    thumbprint: Thumbprint,
    grouped: String,
}

#[derive(Template)]
#[template(path = "upload.html")]
struct UploadHtml<'w> {
    service: String,
    thumbprint: Thumbprint,
    why: Option<&'w str>,
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFoundHtml {
    service: String,
    thumbprint: Thumbprint,
}

impl Service {
    pub(crate) fn page_url(&self, page: &PageId) -> String {
        let digits: String = page.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}/refusals/{digits}", self.url())
    }

    /// The page of a refusal; `None` where there is none, or it is too old. It shows who holds the licenses now.
    pub fn refusal_page(&self, page: &PageId, now: u64) -> Result<Option<String>> {
        let Some(page) = self.ledger.page(page, now)? else {
            return Ok(None);
        };
        let mut names = Names::new(self, page.computer);
        let groups = self.groups(&page, &mut names)?;
        let more = page.licenses.saturating_sub(page.listed.len() as u64);
        let words = words(page.reason);
        let html = RefusalHtml {
            service: self.card().name.shown(),
            thumbprint: self.card().thumbprint(),
            date: date(page.time),
            own: names.get(page.computer)?,
            licenses: page.licenses,
            count: with_separators(page.licenses),
            shows_holders: words.shows_holders,
            groups,
            more,
            more_text: with_separators(more),
            issuers: self.publishers(&page.listed),
            words,
        };
        Ok(Some(rendered(&html)))
    }

    /// What stands at `/`.
    pub fn start_page(&self) -> String {
        let thumbprint = self.card().thumbprint();
        let digits = thumbprint.to_string();
        let fours: Vec<&str> = (0..digits.len())
            .step_by(4)
            .filter_map(|at| digits.get(at..at + 4))
            .collect();
        rendered(&StartHtml {
            service: self.card().name.shown(),
            thumbprint,
            grouped: fours.join(" "),
        })
    }

    /// What stands at `/authorize`; with why the last file was not answered.
    pub(crate) fn upload_page(&self, why: Option<&str>) -> String {
        rendered(&UploadHtml {
            service: self.card().name.shown(),
            thumbprint: self.card().thumbprint(),
            why,
        })
    }

    pub(crate) fn not_found_page(&self) -> String {
        rendered(&NotFoundHtml {
            service: self.card().name.shown(),
            thumbprint: self.card().thumbprint(),
        })
    }

    /// One table for all licenses that the same computers hold: usually one.
    fn groups(&self, page: &RefusalPage, names: &mut Names<'_>) -> Result<Vec<Group>> {
        let licenses: Vec<_> = page
            .listed
            .iter()
            .map(|listed| (listed.issuer, listed.license))
            .collect();
        let mut groups: Vec<Group> = Vec::new();
        for (listed, rows) in page.listed.iter().zip(self.ledger.rows(&licenses)?) {
            let mut holders = Vec::new();
            for (slot, computer, row) in policy::holders(listed.origin, &rows) {
                holders.push(Holder {
                    slot,
                    name: names.get(computer)?,
                    since: row.map_or("it was issued".into(), |row| date(row.time)),
                    own: computer == page.computer,
                });
            }
            let (issuer, title) = (self.publisher(&listed.issuer).name, shown_title(listed));
            let limit = holders
                .iter()
                .map(|holder| holder.slot)
                .fold(listed.limit, u32::max);
            let same = |group: &&mut Group| {
                (&group.issuer, group.limit, &group.holders) == (&issuer, limit, &holders)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.titles.push(title),
                None => groups.push(Group {
                    titles: vec![title],
                    issuer,
                    limit,
                    holders,
                }),
            }
        }
        Ok(groups)
    }

    fn publishers(&self, listed: &[RefusedLicense]) -> Vec<Publisher> {
        let mut publishers = Vec::new();
        for license in listed {
            let publisher = self.publisher(&license.issuer);
            if !publishers.contains(&publisher) {
                publishers.push(publisher);
            }
        }
        publishers
    }

    fn publisher(&self, issuer: &Thumbprint) -> Publisher {
        let https = |card: &Card| {
            card.urls
                .iter()
                .map(|url| url.shown())
                .find(|url| url.starts_with("https://"))
        };
        match self.issuers.get(issuer) {
            Some(card) => Publisher {
                name: card.name.shown(),
                url: https(&card),
            },
            None => Publisher {
                name: format!("the issuer {}, which is not registered here", issuer.short()),
                url: None,
            },
        }
    }
}

/// Names of computers as the computer that was refused may see them: its own in full.
struct Names<'s> {
    service: &'s Service,
    own: ComputerId,
    known: HashMap<ComputerId, String>,
}

impl<'s> Names<'s> {
    fn new(service: &'s Service, own: ComputerId) -> Self {
        Self {
            service,
            own,
            known: HashMap::new(),
        }
    }

    fn get(&mut self, id: ComputerId) -> Result<String> {
        if let Some(name) = self.known.get(&id) {
            return Ok(name.clone());
        }
        let name = match self.service.ledger.computer(&id)? {
            Some(computer) if id == self.own => computer.name,
            Some(computer) => mask(&computer.name),
            None => "a computer that never asked here".into(),
        };
        self.known.insert(id, name.clone());
        Ok(name)
    }
}

fn shown_title(license: &RefusedLicense) -> String {
    match license.title.trim() {
        "" => license.license.to_string(),
        title => title.to_owned(),
    }
}

fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_else(|error| {
        tracing::error!("page not rendered: {error}");
        String::new()
    })
}
