//! Asking a hub: redirects are followed by hand, so that its token goes nowhere else and no header on the way is lost.

use std::fmt;
use std::time::Duration;

use outthink_core::visible_line;
use ureq::http::uri::{Authority, Scheme};
use ureq::http::{HeaderMap, StatusCode, Uri, header};
use ureq::{Agent, Body};

const REDIRECTS: usize = 10;

/// Why a hub gives nothing.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It answered, with an error; and with a word of why, if it said one.
    Status(StatusCode, Option<String>),
    /// It could not be reached, or broke off.
    Broken(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status, None) => write!(f, "{status}"),
            Self::Status(status, Some(why)) => write!(f, "{status}, {why}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// The last answer on a way of redirects, and what was said on the way.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Body,
    /// Headers of every answer, the first one first.
    heads: Vec<HeaderMap>,
}

impl Answer {
    /// A header of the first answer that has it.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut heads = self.heads.iter();
        heads.find_map(|head| head.get(name)?.to_str().ok())
    }

    /// A header of what was given in the end.
    pub(super) fn last_header(&self, name: &str) -> Option<&str> {
        self.heads.last()?.get(name)?.to_str().ok()
    }
}

/// A hub, and who asks it.
pub(super) struct Hub {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
}

impl Hub {
    pub(super) fn new(endpoint: String, token: Option<String>) -> Self {
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("outthink/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .build();
        Self {
            agent: config.new_agent(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token,
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks for a path, or for some bytes of what is there. Only the hub itself sees the token, not where it sends on to.
    pub(super) fn get(&self, path: &str, range: Option<&str>) -> Result<Answer, Refusal> {
        let broken = |error: &dyn fmt::Display| Refusal::Broken(error.to_string());
        let mut uri: Uri = format!("{}/{path}", self.endpoint)
            .parse()
            .map_err(|error| broken(&format!("{}: {error}", self.endpoint)))?;
        let home = origin(&uri);
        let mut heads = Vec::new();
        for _ in 0..REDIRECTS {
            let mut request = self.agent.get(&uri);
            if let Some(range) = range {
                request = request.header(header::RANGE, range);
            }
            if let Some(token) = self.token.as_ref().filter(|_| origin(&uri) == home) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let (head, body) = request.call().map_err(|error| broken(&error))?.into_parts();
            let location = head.headers.get(header::LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let next = match head.status.is_redirection() {
                true => location.and_then(|location| resolved(&uri, location)),
                false => None,
            };
            heads.push(head.headers);
            match next {
                Some(next) => uri = next,
                None => {
                    let status = head.status;
                    let answer = Answer {
                        status,
                        body,
                        heads,
                    };
                    // A range that begins where the file ends is no refusal.
                    if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
                        return Ok(answer);
                    }
                    let why = answer.header("x-error-message");
                    let why = why.map(|why| visible_line(why).into_owned());
                    return Err(Refusal::Status(status, why));
                }
            }
        }
        Err(Refusal::Broken(format!(
            "more than {REDIRECTS} redirects from {}",
            self.endpoint
        )))
    }
}

/// Scheme, host and port: what may see a token.
fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(match scheme.as_str() {
        "https" => 443,
        _ => 80,
    });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// Where a redirect leads; None for what is no address of the web.
fn resolved(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?.trim();
    let scheme = from.scheme_str()?;
    let authority = from.authority()?.as_str();
    let path = from.path();
    let whole = if location.contains("://") && !location.starts_with(['/', '?']) {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{path}{location}")
    } else {
        let folder = &path[..=path.rfind('/')?];
        format!(
            "{scheme}://{authority}{}",
            plain(&format!("{folder}{location}"))
        )
    };
    let uri: Uri = whole.parse().ok()?;
    let known = [Some(Scheme::HTTP), Some(Scheme::HTTPS)];
    let named = uri.authority().map(Authority::host);
    (known.contains(&uri.scheme().cloned()) && named.is_some_and(|host| !host.is_empty()))
        .then_some(uri)
}

/// A path without `.` and `..`.
fn plain(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}{query}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_where_a_browser_would_go() -> Result<(), ureq::http::uri::InvalidUri> {
        let from: Uri = "https://hub.example:8443/a/b/c?d=1".parse()?;
        let to = |location| resolved(&from, location).map(|uri| uri.to_string());
        for (location, expected) in [
            ("/x?y=2", Some("https://hub.example:8443/x?y=2")),
            ("x/./../y", Some("https://hub.example:8443/a/b/y")),
            ("../y#z", Some("https://hub.example:8443/a/y")),
            ("?q", Some("https://hub.example:8443/a/b/c?q")),
            ("//cdn.example/x", Some("https://cdn.example/x")),
            ("http://cdn.example/x", Some("http://cdn.example/x")),
            ("file:///etc/passwd", None),
            ("ftp://cdn.example/x", None),
        ] {
            assert_eq!(to(location).as_deref(), expected, "{location}");
        }
        Ok(())
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() -> Result<(), ureq::http::uri::InvalidUri> {
        let same = |a: &str, b: &str| {
            Ok::<_, ureq::http::uri::InvalidUri>(origin(&a.parse()?) == origin(&b.parse()?))
        };
        assert!(same("https://hub.example/a", "https://HUB.example:443/b")?);
        assert!(!same("https://hub.example/", "http://hub.example/")?);
        assert!(!same("http://localhost:1/", "http://localhost:2/")?);
        assert!(!same("http://localhost:1/", "http://127.0.0.1:1/")?);
        assert!(!same("https://hub.example/", "https://hub.example.evil/")?);
        Ok(())
    }
}
