//! Any bytes are what a server sends: whole answers, streams, lists of models, errors, rewards. Nothing panics, and a stream reads the
//! same however it was cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| outthink_remote::fuzzing::reply(data, 1 + data.len() % 61));
