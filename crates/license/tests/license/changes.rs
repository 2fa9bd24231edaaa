//! Seeds of a fuzz target, changed in ways that a number decides: what every test run repeats, in each crate that has
//! such targets.

/// A small generator with a fixed seed (xorshift64*): the same changes on every machine.
struct Changes(u64);

impl Changes {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() % end.max(1)
    }

    /// Changes bytes in one to four places; half of the changes write what means something in CBOR.
    fn change(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        const HEADS: [u8; 16] = [
            0x00, 0x17, 0x18, 0x40, 0x58, 0x5f, 0x60, 0x81, 0x9b, 0xa0, 0xa1, 0xbf, 0xd2, 0xf6, 0xf9, 0xff,
        ];
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(7) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = HEADS[self.below(16)],
                2 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_add(1),
                3 => bytes.insert(at, HEADS[self.below(16)]),
                4 if !bytes.is_empty() => drop(bytes.remove(at)),
                5 => bytes.truncate(at),
                _ => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len());
                    let part = &other[from..(from + self.below(40)).min(other.len())];
                    bytes.splice(at..at, part.iter().copied());
                }
            }
        }
    }
}

/// Runs the seeds as they are, then changed.
pub fn slice(seed: u64, seeds: &[Vec<u8>], rounds: usize, body: impl Fn(&[u8])) {
    assert!(seeds.len() > 5, "seeds are missing");
    seeds.iter().for_each(|bytes| body(bytes));
    let mut changes = Changes(seed);
    for _ in 0..rounds {
        let mut bytes = seeds[changes.below(seeds.len())].clone();
        changes.change(&mut bytes, seeds);
        body(&bytes);
    }
}

/// Gives a fuzz target, which must be there, its seeds if KEYFERRY_WRITE_CORPUS is set.
pub fn corpus(target: &str, seeds: &[Vec<u8>]) {
    let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    assert!(
        fuzz.join(format!("fuzz_targets/{target}.rs")).is_file(),
        "{target}"
    );
    assert!(seeds.len() > 5, "{target}");
    if std::env::var_os("KEYFERRY_WRITE_CORPUS").is_some() {
        let folder = fuzz.join("corpus").join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("vector-{n:03}")), seed).unwrap();
        }
    }
}
