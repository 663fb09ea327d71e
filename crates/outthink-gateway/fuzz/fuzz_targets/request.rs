//! Any bytes are the body of a request: it is done, or it is the client's mistake and told as one.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| outthink_gateway::fuzzing::request(body));
