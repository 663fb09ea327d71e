//! One server: its address and its key.

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};

use crate::Error;
use crate::config::Key;

/// A server's address, without the `/v1` that some of its paths begin with.
pub(crate) struct Endpoint {
    name: String,
    scheme: Scheme,
    authority: Authority,
    /// What stands before every path, at a gateway.
    prefix: String,
    key: Option<HeaderValue>,
}

impl Endpoint {
    pub(crate) fn new(url: &str, key: Option<&Key>) -> Result<Self, Error> {
        let wrong = || Error::Url {
            url: url.to_owned(),
            reason: "it does not parse".into(),
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let path = uri.path().trim_end_matches('/');
        let prefix = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or_else(wrong)?;
        let authority = parts.authority.ok_or_else(wrong)?;
        Ok(Self {
            name: format!("{scheme}://{authority}{prefix}"),
            scheme,
            authority,
            prefix,
            key: key.and_then(Key::header),
        })
    }

    /// As it is told to people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(crate) fn key(&self) -> Option<&HeaderValue> {
        self.key.as_ref()
    }

    pub(crate) fn uri(&self, path: &'static str) -> Result<Uri, Error> {
        let path = match self.prefix.is_empty() {
            true => Ok(PathAndQuery::from_static(path)),
            false => PathAndQuery::try_from(format!("{}{path}", self.prefix)),
        };
        let wrong = || Error::Url {
            url: self.name.clone(),
            reason: "its path cannot be sent".into(),
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path.map_err(|_| wrong())?)
            .build()
            .map_err(|_| wrong())
    }
}
