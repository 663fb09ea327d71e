//! Hashes by which things are known: the same in every build and on every machine.

use std::hash::Hasher;

use serde::Serialize;
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;

/// A hash that is the same in every build and on every machine; never negative.
pub fn hash64(parts: &[&[u8]]) -> i64 {
    let mut hasher = SipHasher13::new_with_keys(0x6f75_7474_6869_6e6b, 0x6c61_6221);
    for part in parts {
        hasher.write_u64(part.len() as u64);
        hasher.write(part);
    }
    (hasher.finish() >> 1) as i64
}

/// The first 16 bytes of a SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// JSON with the keys of every object in order.
pub fn canonical<T: Serialize>(value: &T) -> String {
    fn sorted(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                let sorted = entries.into_iter().map(|(key, value)| (key, sorted(value)));
                serde_json::Value::Object(sorted.collect())
            }
            serde_json::Value::Array(values) => values.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    // What is hashed is numbers, texts and lists: another one would share its hash with all that cannot be written.
    let value = serde_json::to_value(value).expect("what is hashed can be written as JSON");
    sorted(value).to_string()
}
