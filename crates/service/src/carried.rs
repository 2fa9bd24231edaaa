//! Requests that came by file: each is answered as a message, the answers go into one file
//! (docs/protocol.md section 7.2).

use keyferry_license::armor;
use keyferry_protocol::{Answer, AnswerParcel, REQUEST_LABEL, RequestParcel};

use crate::service::Service;

/// Requests in one file; a longer trip is carried by a program.
const REQUESTS: usize = 100;

/// Why a file was not answered, for the person who brought it.
#[derive(Debug)]
pub struct NotCarried(pub String);

impl Service {
    /// Answers the requests of a file that are for this service, in their order. `now` is the service's time.
    pub fn answer_file(&self, file: &[u8], now: u64) -> Result<String, NotCarried> {
        let mut answers = String::new();
        let (mut elsewhere, mut problem, mut good) = (None, None, false);
        for parcel in self.parcels(file)? {
            let (parcel, id) = parcel;
            if parcel.service != self.card().thumbprint() {
                elsewhere = Some(parcel.url.shown());
                continue;
            }
            let answer = self.answer(&parcel.request, now);
            good |= answer.problem.is_none();
            problem = problem.or(answer.problem.as_ref().map(|problem| problem.message.shown()));
            answers.push_str(&armored(&answer, id)?);
        }
        match (good, problem, elsewhere) {
            (true, ..) => Ok(answers),
            (false, Some(problem), _) => Err(NotCarried(format!("The service said: {problem}."))),
            (false, None, Some(url)) => Err(NotCarried(format!(
                "This file is for another service, at {url}. Bring it there."
            ))),
            (false, None, None) => Err(NotCarried(
                "There is no request in this file. It was written by keyferry restore --request-out.".into(),
            )),
        }
    }

    /// All requests of the file, or why it can't be read; nothing is answered before everything was.
    fn parcels(&self, file: &[u8]) -> Result<Vec<(RequestParcel, [u8; 32])>, NotCarried> {
        let unread = |why: String| NotCarried(format!("The file can't be read: {why}."));
        let mut parcels = Vec::new();
        for block in armor::Blocks::new(REQUEST_LABEL, file) {
            let block = block.map_err(|error| unread(error.to_string()))?;
            parcels.push(RequestParcel::decode(&block).map_err(|error| unread(error.to_string()))?);
            if parcels.len() > REQUESTS {
                return Err(NotCarried(format!(
                    "There are more than {REQUESTS} requests in the file. Carry it with keyferry authorize instead."
                )));
            }
        }
        Ok(parcels)
    }
}

fn armored(answer: &Answer, request: [u8; 32]) -> Result<String, NotCarried> {
    let parcel = AnswerParcel {
        request,
        answer: answer.encode(),
    };
    parcel
        .to_armor()
        .map_err(|error| NotCarried(format!("The answer can't be written: {error}.")))
}
