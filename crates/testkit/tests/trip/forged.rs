//! Backups that no honest program makes: well-formed, signed by the computer that they name, and with licenses in them
//! that are not what they seem.

use std::path::{Path, PathBuf};

use keyferry::Clock as _;
use keyferry_archive::medium::BackupName;
use keyferry_archive::{BackupId, Header, ServiceSeal, Writer};
use keyferry_license::{ContentKey, Digest, Suite};
use keyferry_testkit::{Computer, Issued, World};

use crate::careless::{Careless, ESCROW};

/// A license as a forger puts it into a backup.
pub struct Forgery {
    /// The grant's bytes.
    pub grant: Vec<u8>,
    /// For which grant the escrow is sealed.
    pub sealed_for: Digest,
    /// The key in it.
    pub key: ContentKey,
}

impl Forgery {
    /// Licenses as they are.
    pub fn of(issued: &[Issued]) -> Vec<Self> {
        let one = |license: &Issued| Self {
            grant: license.grant.as_bytes().to_vec(),
            sealed_for: *license.grant.digest(),
            key: license.key.clone(),
        };
        issued.iter().map(one).collect()
    }
}

/// Writes a backup in the name of a computer into a folder.
pub fn write(world: &World, computer: &Computer, folder: &Path, licenses: &[Forgery]) -> PathBuf {
    let service = world.service.card();
    let now = computer.clock.now();
    let (enc, sealer) = Careless::new(ESCROW, service.seal_key(now).expect("a key"));
    let header = Header {
        backup: BackupId::generate().expect("randomness"),
        created: now,
        computer: computer.card(),
        issuers: vec![world.publisher.card().clone()],
        services: vec![service.clone()],
        seals: vec![ServiceSeal {
            service: service.thumbprint(),
            suite: Suite::XWingHkdfSha256,
            enc,
        }],
        receipts: Vec::new(),
    };
    let path = folder.join(BackupName::current(&computer.card().thumbprint()).to_string());
    let file = std::fs::File::create(&path).expect("a file");
    let mut writer = Writer::new(file, &header).expect("a header");
    for license in licenses {
        let escrow = sealer.seal(&license.sealed_for, &license.key);
        writer
            .push_license(&license.grant, &escrow, None)
            .expect("written");
    }
    writer.finish(computer.store().signing()).expect("signed");
    path
}
