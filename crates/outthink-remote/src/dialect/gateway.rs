//! `outthink serve`: another outthink's policies, asked for whole answers as any chat endpoint is.

use super::{Dialect, DrawEvent, DrawRequest, SelfDescription, Unreadable, chat};
use crate::probe::Facts;
use crate::request::ApiRequest;

/// The paths that tell its version.
pub(super) const FACTS_AT: &[&str] = &["/version", "/openapi.json"];

pub(super) struct Gateway;

impl Dialect for Gateway {
    fn name(&self) -> &'static str {
        "outthink"
    }

    fn title(&self) -> &'static str {
        "outthink serve"
    }

    // It lists its models like `outthink prm-serve`, which is told from it by its routes (outthink.rs).

    fn facts_at(&self) -> &'static [&'static str] {
        FACTS_AT
    }

    fn read_facts(&self, answers: &SelfDescription, facts: &mut Facts) {
        answers.read_routes(facts);
    }

    fn continues(&self) -> bool {
        false
    }

    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        chat::request(draw)
    }

    fn read_draws(&self, data: &[u8], _: bool) -> Result<DrawEvent, Unreadable> {
        chat::read(data)
    }
}
