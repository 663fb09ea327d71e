//! Who may come in: whoever has a key, or where there are none, whoever asks from this machine.
//!
//! Without keys a server is for the people at this machine, but every page in their browser could send to it: from another site, or
//! under a name of its own that it lets point here. Browsers say both, in `Origin` and in `Host`.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version};

use crate::auth::{Key, LiveKeys};
use crate::error::{ApiError, quoted};

pub(crate) struct Door {
    keys: LiveKeys,
    /// Where the server listens.
    here: IpAddr,
}

impl Door {
    pub(crate) fn new(keys: LiveKeys, here: IpAddr) -> Self {
        Self { keys, here }
    }

    /// The key that was brought; none where none is needed.
    pub(crate) fn key(&self, headers: &HeaderMap) -> Result<Option<Key>, ApiError> {
        let keys = self.keys.get();
        if keys.keys.is_empty() {
            return Ok(None);
        }
        let given = headers.get(AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        let key = given.and_then(|given| {
            let (scheme, key) = given.trim().split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then(|| keys.find(key.trim()))?
        });
        key.cloned().map(Some).ok_or_else(ApiError::no_key)
    }

    /// Where there are no keys: is it asked from this machine, and by no page of another site?
    pub(crate) fn local(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        if !self.keys.get().keys.is_empty() {
            return Ok(());
        }
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            (None, _) if version < Version::HTTP_11 => "localhost",
            (None, _) => return Err(ApiError::malformed("the request has no Host header")),
            _ => return Err(ApiError::malformed("the request has several Host headers")),
        };
        // A whole address in the first line counts for more than the header.
        for host in uri
            .authority()
            .map(Authority::as_str)
            .into_iter()
            .chain([host])
        {
            if !self.is_here(host) {
                return Err(ApiError::stranger(format!(
                    "without API keys this server answers under localhost and its own address only, not for the host `{}`; start it with --keys to be asked under other names",
                    quoted(host)
                )));
            }
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let host = origin.split_once("://").map(|(_, host)| host);
            if !host.is_some_and(|host| self.is_here(host)) {
                return Err(ApiError::stranger(format!(
                    "without API keys this server takes no requests from pages of other sites (`{}`)",
                    quoted(origin)
                )));
            }
        }
        Ok(())
    }

    /// Is this host, with or without a port, this machine?
    fn is_here(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if authority.as_str().contains('@') {
            return false;
        }
        let name = authority.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        if name == "localhost" || name.ends_with(".localhost") {
            return true;
        }
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback() || address == self.here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Keys;

    #[test]
    fn this_machine_goes_by_its_own_names_only() {
        let door = Door::new(
            LiveKeys::new(Keys::default()),
            IpAddr::from([192, 168, 7, 7]),
        );
        let ours = [
            "localhost",
            "LOCALHOST:8321",
            "localhost.:80",
            "console.localhost:1",
            "127.0.0.1:8321",
            "127.9.9.9",
            "[::1]:8321",
            "[::1]",
            "[::ffff:127.0.0.1]:8321",
            "192.168.7.7:8321",
        ];
        let strange = [
            "",
            "evil.example",
            "evil.example:8321",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "192.168.7.8",
            "8.8.8.8:8321",
            "[2001:db8::1]:80",
            "0x7f000001.example",
        ];
        assert_eq!(ours.map(|host| door.is_here(host)), [true; 10]);
        assert_eq!(strange.map(|host| door.is_here(host)), [false; 12]);
    }
}
