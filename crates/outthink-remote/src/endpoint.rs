//! One server: its address, its key, and the changes that requests to it need.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};

use crate::change::Changes;
use crate::key::ApiKey;
use crate::{Error, address};

/// A server.
pub(crate) struct Endpoint {
    name: String,
    base: RwLock<BaseUrl>,
    key: Option<ApiKey>,
    changes: Mutex<Changes>,
}

/// The part of an address before the path of an operation.
#[derive(Clone)]
struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// What precedes every path, as behind a gateway; empty or begins with `/`.
    prefix: String,
    /// What follows the prefix in OpenAI's paths: `/v1`, or nothing where the prefix holds a provider's own version.
    version: &'static str,
    /// Is `version` known, rather than assumed?
    sure: bool,
}

impl Endpoint {
    pub(crate) fn new(url: &str, key: Option<&ApiKey>) -> Result<Self, Error> {
        let wrong = || Error::Url {
            url: address::shown(url),
            reason: "it does not parse".into(),
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let path = uri.path().trim_end_matches('/');
        // People copy addresses from examples, with the operation at the end.
        let operation = [
            "/chat/completions",
            "/completions",
            "/models",
            "/embeddings",
        ];
        let stripped = operation.iter().find_map(|end| path.strip_suffix(end));
        let base = stripped.unwrap_or(path).trim_end_matches('/');
        let (prefix, version, sure) = match base.strip_suffix("/v1") {
            Some(prefix) => (prefix, "/v1", true),
            None if stripped.is_some() => (base, "", true),
            None => (base, "/v1", false),
        };
        let prefix = prefix.trim_end_matches('/').to_owned();
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or_else(wrong)?;
        let authority = parts.authority.ok_or_else(wrong)?;
        Ok(Self {
            name: format!("{scheme}://{authority}{prefix}"),
            base: RwLock::new(BaseUrl {
                scheme,
                authority,
                prefix,
                version,
                sure,
            }),
            key: key.cloned(),
            changes: Mutex::default(),
        })
    }

    /// The address in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Host and port.
    pub(crate) fn host(&self) -> String {
        self.base().authority.to_string()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.base().scheme == Scheme::HTTPS
    }

    pub(crate) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// Text of a server with the key struck out.
    pub(crate) fn hide(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.hide(text),
            None => text.to_owned(),
        }
    }

    /// The changes that requests to it are known to need.
    pub(crate) fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn base(&self) -> BaseUrl {
        let base = self.base.read().unwrap_or_else(PoisonError::into_inner);
        base.clone()
    }

    fn set(&self, base: BaseUrl) {
        *self.base.write().unwrap_or_else(PoisonError::into_inner) = base;
    }

    /// Drops `/v1` from OpenAI's paths, if it was only assumed. True if it was dropped now.
    pub(crate) fn drops_version(&self) -> bool {
        let base = self.base();
        let drops = !base.sure && !base.version.is_empty();
        if drops {
            self.set(BaseUrl {
                version: "",
                ..base
            });
        }
        drops
    }

    /// Fixes whether OpenAI's paths begin with `/v1`. `listed`: did the current way bring a list of models?
    pub(crate) fn settle(&self, listed: bool) {
        let base = self.base();
        if base.sure {
            return;
        }
        // Where nothing was listed, an address is read as OpenAI's clients do: a path of its own already holds the
        // version.
        let version = match (listed, base.prefix.is_empty()) {
            (true, _) => base.version,
            (false, true) => "/v1",
            (false, false) => "",
        };
        self.set(BaseUrl {
            version,
            sure: true,
            ..base
        });
    }

    pub(crate) fn uri(&self, path: &'static str) -> Result<Uri, Error> {
        let base = self.base();
        let wrong = || Error::Url {
            url: self.name.clone(),
            reason: "its path cannot be sent".into(),
        };
        let path = match path.strip_prefix("/v1") {
            Some(operation) => format!("{}{}{operation}", base.prefix, base.version),
            None => format!("{}{path}", base.prefix),
        };
        Uri::builder()
            .scheme(base.scheme)
            .authority(base.authority)
            .path_and_query(PathAndQuery::try_from(path).map_err(|_| wrong())?)
            .build()
            .map_err(|_| wrong())
    }

    /// Where a redirect leads, if the key may go there: to the same host and port, or from http to https on the same
    /// host. The new address is kept if it holds for all paths.
    pub(crate) fn redirected(
        &self,
        from: &Uri,
        target: &str,
        path: &'static str,
    ) -> Result<Uri, Error> {
        let elsewhere = || Error::Redirected {
            endpoint: self.name.clone(),
            target: self.hide(&address::shown(target)),
        };
        let to = match target.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => {
                let parts = from.clone().into_parts();
                let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
                    return Err(elsewhere());
                };
                let place = PathAndQuery::try_from(target).map_err(|_| elsewhere())?;
                let builder = Uri::builder().scheme(scheme).authority(authority);
                builder
                    .path_and_query(place)
                    .build()
                    .map_err(|_| elsewhere())?
            }
            _ => target.parse::<Uri>().map_err(|_| elsewhere())?,
        };
        let (Some(scheme), Some(authority)) = (to.scheme(), to.authority()) else {
            return Err(elsewhere());
        };
        let https = |scheme: Option<&Scheme>| scheme == Some(&Scheme::HTTPS);
        let port = |uri: &Uri| {
            let usual = if https(uri.scheme()) { 443 } else { 80 };
            uri.port_u16().unwrap_or(usual)
        };
        let same_host = match (from.host(), to.host()) {
            (Some(from), Some(to)) => from.eq_ignore_ascii_case(to),
            _ => false,
        };
        let same = from.scheme() == Some(scheme) && port(from) == port(&to);
        let upgrade = !https(from.scheme()) && https(Some(scheme));
        if !same_host || authority.as_str().contains('@') || !(same || upgrade) {
            return Err(elsewhere());
        }
        // If one of OpenAI's paths moved, all of them did.
        if let Some(operation) = path.strip_prefix("/v1")
            && to.query().is_none()
        {
            let base = self.base();
            let start = to.path().strip_suffix(operation);
            if let Some(prefix) = start.and_then(|start| start.strip_suffix(base.version)) {
                self.set(BaseUrl {
                    scheme: scheme.clone(),
                    authority: authority.clone(),
                    prefix: prefix.to_owned(),
                    ..base
                });
            }
        }
        Ok(to)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn at(url: &str) -> Endpoint {
        Endpoint::new(url, None).unwrap()
    }

    #[test]
    fn an_address_is_read_as_people_write_it() {
        let chat = "/v1/chat/completions";
        for url in [
            "http://h:8000/v1",
            "http://h:8000/v1/",
            "http://h:8000/v1/chat/completions",
            "http://h:8000/v1/chat/completions/",
            "http://h:8000/v1/models",
            "http://h:8000",
            "http://h:8000/",
        ] {
            let server = at(url);
            server.settle(false);
            assert_eq!(
                server.uri(chat).unwrap(),
                "http://h:8000/v1/chat/completions",
                "{url}"
            );
            assert_eq!(
                server.uri("/tokenize").unwrap(),
                "http://h:8000/tokenize",
                "{url}"
            );
            assert_eq!(
                (server.name(), &*server.host()),
                ("http://h:8000", "h:8000")
            );
        }
        // Known only once a list of models was found, or none.
        let server = at("https://h/api/paas/v4");
        assert_eq!(
            server.uri(chat).unwrap(),
            "https://h/api/paas/v4/v1/chat/completions"
        );
        assert!(server.drops_version() && !server.drops_version());
        assert_eq!(
            server.uri(chat).unwrap(),
            "https://h/api/paas/v4/chat/completions"
        );
        let server = at("https://h/api");
        server.settle(true);
        assert_eq!(
            server.uri(chat).unwrap(),
            "https://h/api/v1/chat/completions"
        );
        let server = at("https://h/v1beta/openai/chat/completions");
        assert!(!server.drops_version());
        assert_eq!(
            server.uri(chat).unwrap(),
            "https://h/v1beta/openai/chat/completions"
        );
    }

    #[test]
    fn a_redirect_is_followed_at_the_server_and_to_its_https_and_nowhere_else() {
        const PATH: &str = "/v1/models";
        let to = |from: &str, target: &str| {
            let server = at(from);
            let uri = server.uri(PATH).unwrap();
            let led = server.redirected(&uri, target, PATH);
            led.map(|uri| {
                (
                    uri.to_string(),
                    server.uri("/v1/chat/completions").unwrap().to_string(),
                )
            })
        };
        let moved = |url: &str| (format!("{url}/models"), format!("{url}/chat/completions"));
        assert_eq!(
            to("http://h/v1", "https://h/v1/models").unwrap(),
            moved("https://h/v1")
        );
        assert_eq!(
            to("http://h:80/v1", "https://H:8443/v1/models").unwrap(),
            moved("https://H:8443/v1")
        );
        assert_eq!(
            to("http://h/v1", "/api/v1/models").unwrap(),
            moved("http://h/api/v1")
        );
        assert_eq!(
            to("http://h/v1", "http://h:80/x/v1/models").unwrap(),
            moved("http://h:80/x/v1")
        );
        let login = to("http://h/v1", "/login?next=%2Fv1%2Fmodels").unwrap();
        assert_eq!(
            login,
            (
                "http://h/login?next=%2Fv1%2Fmodels".into(),
                "http://h/v1/chat/completions".into()
            )
        );
        for elsewhere in [
            "https://evil.example/v1/models",
            "//evil.example/v1/models",
            "http://h:81/v1/models",
            "https://h.evil.example/v1/models",
            "https://me:secret@h/v1/models",
            "models",
            "",
            "\u{1b}[31m",
        ] {
            let error = to("http://h/v1", elsewhere).unwrap_err().to_string();
            assert!(
                !error.contains("secret") && !error.contains('\u{1b}'),
                "{error}"
            );
        }
        assert!(
            to("https://h/v1", "http://h/v1/models").is_err(),
            "never back to plain text"
        );
    }
}
