//! Addresses as people write them, and without the secrets that some hold.

use outthink_core::visible_line;

use crate::Error;

/// Is this the address of servers rather than the name of a model or a folder? Text that can be neither of those is
/// taken for an address too, so that the error says what it lacks.
pub(crate) fn is_one(text: &str) -> bool {
    text.contains("://") || without_scheme(text)
}

/// `localhost:8480/v1`, `10.0.0.1:8000`, `api.openai.com/v1`.
fn without_scheme(text: &str) -> bool {
    let text = text.split(['#', ',']).next().unwrap_or_default();
    let (authority, path) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let port = port.map(|port| port.parse::<u16>().is_ok());
    let label = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let named = host.chars().all(label) && host.split('.').all(|part| !part.is_empty());
    let numeric = host.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[');
    let local = host == "localhost" || numeric;
    let api = path == "v1"
        || path.starts_with("v1/")
        || path.ends_with("/v1")
        || path.ends_with("chat/completions");
    match port {
        Some(false) => false,
        Some(true) => local || named && (api || host.contains('.')),
        None => local && !std::path::Path::new(text).exists() || named && api && host.contains('.'),
    }
}

/// Checks the address of one server: `http` or `https`, a host, and neither a password nor a query.
pub(crate) fn check(url: &str) -> Result<(), Error> {
    let wrong = |reason: &str| Error::Url {
        url: shown(url),
        reason: reason.to_owned(),
    };
    if !url.contains("://") {
        return Err(match without_scheme(url) && !url.contains('@') {
            true => Error::NoScheme { url: shown(url) },
            false => wrong("it is neither http nor https"),
        });
    }
    if url.contains('@') {
        return Err(wrong("keys come from the environment or a file"));
    }
    let parsed: hyper::Uri = url.parse().map_err(|_| wrong("it does not parse"))?;
    if parsed
        .authority()
        .is_none_or(|authority| authority.host().is_empty())
    {
        return Err(wrong("it names no host"));
    }
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it is neither http nor https"));
    }
    if parsed.query().is_some() {
        return Err(wrong("it has a query"));
    }
    Ok(())
}

/// An address as it may be shown: without user name, password and query, which may hold secrets.
pub(crate) fn shown(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, url),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => rest.to_owned(),
    };
    let rest = match rest.split_once('?') {
        Some((place, _)) => format!("{place}?…"),
        None => rest,
    };
    let shown = match scheme {
        Some(scheme) => format!("{scheme}://{rest}"),
        None => rest,
    };
    visible_line(&shown).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_its_scheme_is_told_from_a_model() {
        for address in [
            "http://h",
            "HTTPS://h/v1",
            "htp://h:1/v1",
            "localhost:8480/v1",
            "localhost",
            "localhost/v1#m",
            "127.0.0.1:8000",
            "[::1]:8000/v1",
            "gpu-box:8000/v1",
            "gpu.lan:8000",
            "api.openai.com/v1#gpt",
            "h.example/openai/v1/chat/completions",
        ] {
            assert!(is_one(address), "{address}");
        }
        for model in [
            "Qwen/Qwen2.5-1.5B-Instruct",
            "org/model.v1",
            "micro-0.3m",
            "stored:3",
            "micro-tune:12",
            "./folder/v1",
            "../v1",
            "/models/v1",
            "C:\\models",
            "gguf/model.gguf",
            "deepseek-ai/DeepSeek-R1@v1",
            "none",
            "",
        ] {
            assert!(!is_one(model), "{model}");
        }
    }

    #[test]
    fn secrets_of_an_address_are_never_shown() {
        for url in [
            "http://me:sk-secret@h/v1",
            "HTTP://me:sk-secret@h:80/v1",
            "me:sk-secret@h:80/v1",
            "http://me:sk-secret#x@h/v1",
            "http://me:sk-secret,x@h/v1",
            "http://me:sk-secret@x@h/v1",
            "http:// me:sk-secret@h",
            "https://h/v1?key=sk-secret",
            "https://h?sk-secret",
        ] {
            let error = check(url).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("sk-secret") && shown.contains('h'),
                "{shown}"
            );
        }
    }
}
