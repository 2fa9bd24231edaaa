//! Messages by file, for a computer without a network: requests and answers in PEM armor, one block a message, so that
//! a file of any length is read a message at a time (docs/protocol.md, "By file").

use keyferry_license::{Text, Thumbprint, armor, decode_exact, encode};
use minicbor::{Decode, Encode};

use crate::MESSAGE_LIMIT;
use crate::error::{Error, Result};
use crate::request::{RequestId, SignedRequest};

/// Label of a block with a request.
pub const REQUEST_LABEL: &str = "KEYFERRY REQUEST";
/// Label of a block with an answer.
pub const ANSWER_LABEL: &str = "KEYFERRY ANSWER";

/// A request on its way to its service.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RequestParcel {
    /// Root of the service.
    #[n(1)]
    pub service: Thumbprint,
    /// Its base address. Whoever carries it sends to https or loopback only.
    #[n(2)]
    pub url: Text<1024>,
    /// The signed request.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub request: Vec<u8>,
}

/// An answer on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AnswerParcel {
    /// The request that it answers.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub request: RequestId,
    /// The answer as the service gave it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub answer: Vec<u8>,
}

impl RequestParcel {
    /// One armored block.
    pub fn to_armor(&self) -> Result<String> {
        Ok(armor::write(REQUEST_LABEL, &encode(self))?)
    }

    /// Decodes a block. The request in it must be one, and go to the service that the parcel names.
    pub fn decode(block: &[u8]) -> Result<(Self, RequestId)> {
        let parcel: Self = decode_exact("request file", block, MESSAGE_LIMIT)?;
        let request = SignedRequest::decode(&parcel.request)?;
        if request.claim().service != parcel.service {
            return Err(Error::Mismatch {
                what: "request file",
                field: "service",
            });
        }
        let id = request.id();
        Ok((parcel, id))
    }
}

impl AnswerParcel {
    /// One armored block.
    pub fn to_armor(&self) -> Result<String> {
        Ok(armor::write(ANSWER_LABEL, &encode(self))?)
    }

    /// Decodes a block; what the answer says is checked against its request.
    pub fn decode(block: &[u8]) -> Result<Self> {
        Ok(decode_exact("answer file", block, MESSAGE_LIMIT)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Individualize, Request, kind};
    use keyferry_license::SigningSecret;

    #[test]
    fn parcels_come_back_and_name_their_service() {
        let computer = SigningSecret::generate().unwrap();
        let service = computer.public().thumbprint();
        let body = Individualize {
            card: vec![1],
            consent: 5,
        };
        let request =
            Request::prepare(&computer, service, [0; 16], None, kind::INDIVIDUALIZE, &body).unwrap();
        let url = Text::new("URL", "https://licenses.example").unwrap();
        let parcel = RequestParcel {
            service,
            url,
            request: request.bytes.clone(),
        };
        let block = armor::single(REQUEST_LABEL, parcel.to_armor().unwrap().as_bytes()).unwrap();
        assert_eq!(
            RequestParcel::decode(&block).unwrap(),
            (parcel.clone(), request.id)
        );
        let other = RequestParcel {
            service: Thumbprint([7; 32]),
            ..parcel
        };
        assert!(matches!(
            RequestParcel::decode(&encode(&other)),
            Err(Error::Mismatch { .. })
        ));
        let answer = AnswerParcel {
            request: request.id,
            answer: vec![1, 2, 3],
        };
        let block = armor::single(ANSWER_LABEL, answer.to_armor().unwrap().as_bytes()).unwrap();
        assert_eq!(AnswerParcel::decode(&block).unwrap(), answer);
        assert!(AnswerParcel::decode(&block[1..]).is_err());
    }
}
