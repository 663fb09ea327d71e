//! What a server answers about itself at paths that ask for nothing else: its routes, its metrics, its settings.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::probe::Facts;

/// Bodies of successful answers, by the path that was asked.
#[derive(Debug, Default)]
pub(crate) struct SelfDescription(HashMap<&'static str, Bytes>);

impl FromIterator<(&'static str, Bytes)> for SelfDescription {
    fn from_iter<I: IntoIterator<Item = (&'static str, Bytes)>>(answers: I) -> Self {
        Self(answers.into_iter().collect())
    }
}

impl SelfDescription {
    /// The answer at a path as a value. None where there was no answer, or one of another shape.
    pub(super) fn json<T: for<'a> Deserialize<'a>>(&self, path: &str) -> Option<T> {
        serde_json::from_slice(self.0.get(path)?).ok()
    }

    /// Is the answer at a path an object that has all of these fields?
    pub(super) fn has_fields(&self, path: &str, fields: &[&str]) -> bool {
        let object = self.json::<HashMap<String, IgnoredAny>>(path);
        object.is_some_and(|object| fields.iter().all(|field| object.contains_key(*field)))
    }

    /// Has the server all of these routes, by its `/openapi.json`?
    pub(super) fn has_routes(&self, routes: &[&str]) -> bool {
        let description = self.json::<OpenApi>("/openapi.json");
        description.is_some_and(|api| routes.iter().all(|route| api.has_route(route)))
    }

    /// The first line of its `/metrics` (in Prometheus' format) that begins so.
    pub(super) fn metric(&self, beginning: &str) -> Option<String> {
        let metrics = String::from_utf8_lossy(self.0.get("/metrics")?);
        let mut lines = metrics.lines();
        lines
            .find(|line| line.starts_with(beginning))
            .map(str::to_owned)
    }

    /// Fills in what vLLM and outthink tell alike: their version, and by their routes, the tasks that the model is run for.
    /// Returns the routes, which a proxy may keep to itself.
    pub(super) fn read_routes(&self, facts: &mut Facts) -> Option<OpenApi> {
        facts.version = self.version("/version");
        let api: OpenApi = self.json("/openapi.json")?;
        facts.generates = api.has_route("/v1/completions");
        facts.pools = api.has_route("/pooling");
        let version = api.info.as_ref().and_then(|info| info.version.clone());
        facts.version = facts.version.take().or(version);
        Some(api)
    }

    /// The `version` that the answer at a path tells.
    pub(super) fn version(&self, path: &str) -> Option<String> {
        self.json::<VersionInfo>(path)?.version
    }
}

/// What a server's `/openapi.json` says of it.
#[derive(Deserialize)]
pub(super) struct OpenApi {
    paths: HashMap<String, IgnoredAny>,
    info: Option<VersionInfo>,
}

impl OpenApi {
    pub(super) fn has_route(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }
}

#[derive(Deserialize)]
struct VersionInfo {
    version: Option<String>,
}
