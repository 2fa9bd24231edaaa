//! A second writer of the format, after docs/backup.md alone and without the bounds: it makes what the crate's own
//! writer refuses to make, with digests and signatures that fit. Its good files equal the crate's byte for byte.

use keyferry_license::{SigningSecret, Typ, sign_document};

use crate::made::computer_secret;

/// One frame: what its head states, and its compressed records.
#[derive(Clone)]
pub struct RawFrame {
    pub number: u32,
    pub licenses: u32,
    pub parts: u32,
    pub plain_len: u32,
    pub packed_len: u32,
    pub packed: Vec<u8>,
}

/// A backup in pieces.
pub struct Raw {
    pub version: u32,
    pub header: Vec<u8>,
    pub backup: [u8; 16],
    pub frames: Vec<RawFrame>,
    pub licenses: u64,
    pub documents: u64,
    /// Signs the footer; none leaves it out.
    pub signer: Option<SigningSecret>,
}

impl RawFrame {
    pub fn new(number: u32, licenses: u32, parts: u32, plain: &[u8]) -> Self {
        let packed = zstd::bulk::compress(plain, 1).unwrap();
        Self {
            number,
            licenses,
            parts,
            plain_len: plain.len() as u32,
            packed_len: packed.len() as u32,
            packed,
        }
    }

    fn digest(&self, key: &[u8; 32]) -> [u8; 32] {
        let mut hash = blake3::Hasher::new_keyed(key);
        for number in [
            self.number,
            self.licenses,
            self.parts,
            self.plain_len,
            self.packed_len,
        ] {
            hash.update(&number.to_be_bytes());
        }
        hash.update(&self.packed);
        hash.finalize().into()
    }

    fn bytes(&self, key: &[u8; 32]) -> Vec<u8> {
        let mut out = b"KFframe\n".to_vec();
        for number in [
            self.number,
            self.licenses,
            self.parts,
            self.plain_len,
            self.packed_len,
        ] {
            out.extend(number.to_be_bytes());
        }
        out.extend(self.digest(key));
        let check = keyed(key, &out);
        out.extend(&check[..8]);
        out.extend(&self.packed);
        out
    }
}

impl Raw {
    pub fn new(header: Vec<u8>, backup: [u8; 16], frames: Vec<RawFrame>) -> Self {
        let licenses = frames.iter().map(|frame| u64::from(frame.licenses)).sum();
        Self {
            version: 1,
            header,
            backup,
            frames,
            licenses,
            documents: 0,
            signer: Some(computer_secret()),
        }
    }

    pub fn build(&self) -> Vec<u8> {
        let key = blake3::derive_key("keyferry v1 backup part", &self.backup);
        let mut out = b"keyferry backup\n".to_vec();
        out.extend(self.version.to_be_bytes());
        out.extend((self.header.len() as u32).to_be_bytes());
        out.extend(&self.header);
        let header_digest = blake3::derive_key("keyferry v1 backup header", &out);
        out.extend(header_digest);

        let mut index = b"KFindex\n".to_vec();
        index.extend((self.frames.len() as u32).to_be_bytes());
        for frame in &self.frames {
            index.extend((out.len() as u64).to_be_bytes());
            for number in [frame.packed_len, frame.plain_len, frame.licenses, frame.parts] {
                index.extend(number.to_be_bytes());
            }
            index.extend(frame.digest(&key));
            out.extend(frame.bytes(&key));
        }
        let index_digest = keyed(&key, &index);
        index.extend(index_digest);
        let index_offset = out.len() as u64;
        out.extend(&index);

        let root = blake3::derive_key("keyferry v1 backup root", &[header_digest, index_digest].concat());
        let footer = self
            .signer
            .as_ref()
            .map(|signer| self.footer(root, index_offset, signer));
        let footer = footer.unwrap_or_default();
        out.extend(&footer);

        let mut tail = b"KFtail1\n".to_vec();
        tail.extend(index_offset.to_be_bytes());
        tail.extend((index.len() as u32).to_be_bytes());
        tail.extend((footer.len() as u32).to_be_bytes());
        let check = keyed(&key, &tail);
        tail.extend(&check[..16]);
        out.extend(&tail);
        let inner_len = out.len() as u64;
        out.extend(trailer(inner_len, 0, 0));
        out
    }

    fn footer(&self, root: [u8; 32], index_offset: u64, signer: &SigningSecret) -> Vec<u8> {
        let mut payload = Vec::new();
        let mut e = minicbor::Encoder::new(&mut payload);
        e.map(6).unwrap();
        e.u8(1).unwrap().bytes(&self.backup).unwrap();
        e.u8(2).unwrap().u64(self.licenses).unwrap();
        e.u8(3).unwrap().u64(self.documents).unwrap();
        e.u8(4).unwrap().bytes(&root).unwrap();
        e.u8(5).unwrap().u64(index_offset).unwrap();
        e.u8(6).unwrap().u32(self.frames.len() as u32).unwrap();
        sign_document(Typ::Backup, &payload, signer)
    }
}

pub fn trailer(inner_len: u64, kind: u32, parity_len: u64) -> Vec<u8> {
    let mut out = b"keyferry trailer".to_vec();
    out.extend(1u32.to_be_bytes());
    out.extend(kind.to_be_bytes());
    out.extend(inner_len.to_be_bytes());
    out.extend(parity_len.to_be_bytes());
    out.extend([0; 8]);
    let check = blake3::derive_key("keyferry v1 backup trailer", &out);
    out.extend(&check[..16]);
    out
}

/// The header of a backup that the crate wrote.
pub fn header_of(backup: &[u8]) -> Vec<u8> {
    let len = u32::from_be_bytes(backup[20..24].try_into().unwrap()) as usize;
    backup[24..24 + len].to_vec()
}

/// Where its first frame begins.
pub fn frames_start(backup: &[u8]) -> usize {
    24 + header_of(backup).len() + 32
}

fn keyed(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    blake3::keyed_hash(key, bytes).into()
}
