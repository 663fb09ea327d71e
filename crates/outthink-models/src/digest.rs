//! What a checkpoint is known by: not where it is, but what it holds.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use outthink_engine::{Checkpoint, Weights};
use sha2::{Digest, Sha256};

/// Larger weight files are sampled: reading one whole would take as long as loading it.
const WHOLE: u64 = 64 << 20;
const BLOCK: u64 = 1 << 20;
const BLOCKS: u64 = 64;

/// Half of the SHA-256 of a checkpoint's files, in hexadecimal; none for an embedded one, whose name says it all. Of weights
/// larger than 64 MiB, 64 blocks are read.
///
/// # Errors
///
/// Where a file cannot be read.
pub fn digest(checkpoint: &Checkpoint) -> Result<Option<String>> {
    let (weights, adapter) = match &checkpoint.weights {
        Weights::Adapted(model, adapter) => (&**model, Some(adapter)),
        weights => (weights, None),
    };
    let files = match weights {
        Weights::Files(files) | Weights::Gguf(files) => files,
        Weights::Embedded(_) | Weights::Adapted(..) => return Ok(None),
    };
    let mut hash = Sha256::new();
    for text in [
        &*checkpoint.config,
        &*checkpoint.generation,
        &*checkpoint.tokenizer,
        &*checkpoint.tokenizer_config,
        checkpoint.template.as_bytes(),
    ] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    for file in files {
        add(&mut hash, file)?;
    }
    if let Some(adapter) = adapter {
        hash.update((adapter.config.len() as u64).to_le_bytes());
        hash.update(&adapter.config);
        add(&mut hash, &adapter.weights)?;
    }
    Ok(Some(hex(&hash.finalize()[..16])))
}

/// The same of files in this order, whatever they are.
pub(crate) fn digest_of(files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        add(&mut hash, file)?;
    }
    Ok(hex(&hash.finalize()[..16]))
}

/// Bytes in hexadecimal, as checksums are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file's length and bytes; of a large one, blocks from its beginning to its end, for training changes every tensor.
fn add(hash: &mut Sha256, path: &Path) -> Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    hash.update(length.to_le_bytes());
    if length <= WHOLE {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        hash.update(&bytes);
        return Ok(());
    }
    let mut block = vec![0; BLOCK as usize];
    for number in 0..BLOCKS {
        file.seek(SeekFrom::Start((length - BLOCK) * number / (BLOCKS - 1)))?;
        file.read_exact(&mut block)?;
        hash.update(&block);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::io::Write;

    use super::*;

    fn of(path: &Path) -> String {
        let mut hash = Sha256::new();
        add(&mut hash, path).unwrap();
        hex(&hash.finalize())
    }

    #[test]
    fn weights_that_were_trained_on_are_others_wherever_they_lie() {
        let folder = std::env::temp_dir().join(format!("outthink-digest-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (here, there) = (folder.join("here"), folder.join("there"));
        for length in [1 << 10, WHOLE + 12_345] {
            for path in [&here, &there] {
                File::create(path).unwrap().set_len(length).unwrap();
            }
            assert_eq!(of(&here), of(&there));
            for place in [0, length - 1] {
                let before = of(&there);
                let mut file = File::options().write(true).open(&there).unwrap();
                file.seek(SeekFrom::Start(place)).unwrap();
                file.write_all(&[7]).unwrap();
                assert_ne!(of(&there), before);
            }
            File::options()
                .write(true)
                .open(&there)
                .unwrap()
                .set_len(length + 1)
                .unwrap();
            assert_ne!(of(&here), of(&there));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
