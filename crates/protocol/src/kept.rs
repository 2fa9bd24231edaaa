//! Receipts in a file: a CBOR sequence (RFC 8742) of byte strings, each a receipt as its service signed it
//! (docs/operations.md).

use std::io::{self, Read};

use minicbor::Encoder;

use crate::MESSAGE_LIMIT;

/// A receipt as it stands in a file of receipts.
pub fn kept_receipt(receipt: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(receipt.len() + 9);
    // Writing to memory can't fail.
    let _ = Encoder::new(&mut bytes).bytes(receipt);
    bytes
}

/// The next receipt of a file, its signature not verified; `None` at the end. Fails with `InvalidData` where the file is no
/// sequence of byte strings of at most [`MESSAGE_LIMIT`] bytes, or is cut off.
pub fn next_kept_receipt(file: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0];
    if file.read(&mut head)? == 0 {
        return Ok(None);
    }
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let more = match head[0] {
        short @ 0x40..=0x57 => return rest(file, u64::from(short - 0x40)).map(Some),
        0x58 => 1,
        0x59 => 2,
        0x5a => 4,
        0x5b => 8,
        _ => return Err(wrong("it is no file of receipts")),
    };
    let mut length = [0; 8];
    file.read_exact(&mut length[8 - more..]).map_err(cut_off)?;
    rest(file, u64::from_be_bytes(length)).map(Some)
}

fn rest(file: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    if length > MESSAGE_LIMIT as u64 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a receipt in it is too long",
        ));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(cut_off(io::ErrorKind::UnexpectedEof.into())),
    }
}

fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(io::ErrorKind::InvalidData, "it is cut off"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_off_is_told() {
        let receipts: Vec<Vec<u8>> = [0, 1, 23, 24, 255, 256, 65_535, 65_536]
            .map(|len| vec![7; len])
            .into();
        let file: Vec<u8> = receipts
            .iter()
            .flat_map(|receipt| kept_receipt(receipt))
            .collect();
        let mut source = file.as_slice();
        for receipt in &receipts {
            assert_eq!(
                next_kept_receipt(&mut source).expect("read").as_ref(),
                Some(receipt)
            );
        }
        assert_eq!(next_kept_receipt(&mut source).expect("read"), None);
        for cut in [2, 4, 30, file.len() - 1] {
            let mut source = &file[..cut];
            let end = loop {
                match next_kept_receipt(&mut source) {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            };
            match cut {
                // After the empty one, and in the one of one byte.
                2 => assert_eq!(end.expect_err("cut off").kind(), io::ErrorKind::InvalidData),
                _ => assert!(end.is_err() || source.is_empty()),
            }
        }
    }

    #[test]
    fn what_is_no_receipt_is_told_before_anything_is_read() {
        for bad in [
            &b"\x80"[..],
            b"keyferry",
            b"\x5a\xff\xff\xff\xff",
            b"\x5b\x00\x00\x00\x00\x01\x00\x00\x01",
        ] {
            let error = next_kept_receipt(&mut &bad[..]).expect_err("refused");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
