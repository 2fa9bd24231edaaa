//! Lists and byte strings whose bound is checked before anything is allocated for them (docs/protocol.md section 1).

use keyferry_license::{Error, GRANT_LIMIT};
use minicbor::data::Type;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encoder};

use crate::MAX_ITEMS;

/// An array of at most [`MAX_ITEMS`] items; a longer one is refused before the first is decoded.
pub(crate) fn items<'b, C, T: Decode<'b, C>>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<T>, DecodeError> {
    let claimed = d.array()?.unwrap_or(0);
    let count = bounded("number of items in a message", MAX_ITEMS, claimed)?;
    (0..count).map(|_| T::decode(d, ctx)).collect()
}

/// A byte string that may be a grant; a longer one is not copied.
pub(crate) fn grant<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<u8>, DecodeError> {
    let bytes = d.bytes()?;
    bounded("grant", GRANT_LIMIT, bytes.len() as u64)?;
    Ok(bytes.to_vec())
}

/// A byte string that may be a grant, or null.
pub(crate) fn optional_grant<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Option<Vec<u8>>, DecodeError> {
    if d.datatype()? == Type::Null {
        d.null()?;
        return Ok(None);
    }
    grant(d, ctx).map(Some)
}

/// An array as [`items`] takes it.
pub(crate) fn optional_items<'b, C, T: Decode<'b, C>>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Option<Vec<T>>, DecodeError> {
    items(d, ctx).map(Some)
}

/// An array of at most [`MAX_ITEMS`] byte strings. What bounds their length is the message around them.
pub(crate) fn documents<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Vec<u8>>, DecodeError> {
    let claimed = d.array()?.unwrap_or(0);
    let count = bounded("number of documents in a message", MAX_ITEMS, claimed)?;
    (0..count).map(|_| Ok(d.bytes()?.to_vec())).collect()
}

/// The other direction.
pub(crate) fn encode_documents<C, W: Write>(
    documents: &[Vec<u8>],
    e: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), EncodeError<W::Error>> {
    e.array(documents.len() as u64)?;
    for document in documents {
        e.bytes(document)?;
    }
    Ok(())
}

fn bounded(what: &'static str, limit: usize, claimed: u64) -> Result<usize, DecodeError> {
    let actual = usize::try_from(claimed).unwrap_or(usize::MAX);
    if actual > limit {
        return Err(DecodeError::custom(Error::TooLarge { what, limit, actual }));
    }
    Ok(actual)
}
