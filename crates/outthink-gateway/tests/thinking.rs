//! A request's control of thoughts is read, and refused where it cannot be.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use serde_json::json;
use server::{Server, asked, with};

#[test]
fn a_control_that_cannot_be_is_refused_with_the_reason() {
    let server = Server::open();
    let refusal = |thinking: &str| {
        let body = with(
            asked("majority:small", "What is 2 + 3?"),
            "outthink",
            json!({"budget": 2, "thinking": thinking}),
        );
        let (status, reply) = server.chat(&body);
        assert_eq!(status, 400, "{reply}");
        assert_eq!(reply["error"]["param"], "thinking");
        reply["error"]["message"].as_str().unwrap().to_owned()
    };
    let unknown = refusal("cat:5");
    assert!(
        unknown.contains("on, skip, cap, dynasor, deer"),
        "{unknown}"
    );
    assert!(refusal("cap:0").contains("at least 1"));
    // A policy that does not say how its thoughts are marked.
    let uncontrolled = refusal("cap:5");
    assert!(uncontrolled.contains("small"), "{uncontrolled}");
}
