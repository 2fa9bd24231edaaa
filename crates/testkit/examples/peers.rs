//! Makes what `cargo xtask bench --peers` measures with: a computer's home with many licenses in its store, and the same
//! licenses as one file each.

use std::path::PathBuf;
use std::process::ExitCode;

use keyferry_license::{LICENSES_IN_A_BLOCK, LicenseFile};
use keyferry_testkit::{Computer, NOW, Wanted, World};

/// Files in one folder.
const IN_A_FOLDER: usize = 1000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [home, files, licenses] = &words[..] else {
        eprintln!("usage: peers HOME FILES LICENSES");
        return Ok(ExitCode::from(2));
    };
    let (home, files, licenses) = (PathBuf::from(home), PathBuf::from(files), licenses.parse()?);
    std::fs::create_dir_all(&home)?;
    let world = World::new();
    let computer = Computer::here(home, "desk");
    let issued = world.issue(&computer, &Wanted::many(licenses, None));
    let (issuer, service, card) = (world.publisher.card(), world.service.card(), computer.card());
    for (number, block) in issued.chunks(LICENSES_IN_A_BLOCK).enumerate() {
        let pairs: Vec<_> = block
            .iter()
            .map(|one| (one.grant.clone(), one.key.clone()))
            .collect();
        let mut sealed = LicenseFile::seal(issuer, service, &card, NOW, &pairs)?;
        for (place, item) in std::mem::take(&mut sealed.items).into_iter().enumerate() {
            let name = number * LICENSES_IN_A_BLOCK + place;
            let folder = files.join(format!("{:03}", name / IN_A_FOLDER));
            std::fs::create_dir_all(&folder)?;
            sealed.items = vec![item];
            std::fs::write(folder.join(format!("{name:06}.license")), sealed.to_armor()?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
