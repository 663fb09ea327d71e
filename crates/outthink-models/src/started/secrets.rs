//! What a server's log may hold and nobody is to see.

use crate::hub;

/// Keys and tokens, which are struck out of what is shown.
pub(super) struct Secrets(Vec<String>);

/// What is put in their place.
const HIDDEN: &str = "[key]";

/// Shorter ones (bytes) are placeholders, and would occur in any text.
const SHORTEST: usize = 8;

impl Secrets {
    /// What the environment holds, and what the flags say.
    pub(super) fn known(flags: &[String]) -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let value = value.into_string().ok()?;
            is_secret(name.to_str()?).then_some(value)
        });
        let mut secrets: Vec<String> = variables.chain(hub::token()).collect();
        for (place, flag) in flags.iter().enumerate() {
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag.as_str(), flags.get(place + 1).map(String::as_str)),
            };
            if name.starts_with('-') && (is_secret(name) || name == "-hft") {
                secrets.extend(value.map(str::to_owned));
            }
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // A longer one may hold a shorter one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// A text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        let hidden = |text: String, secret: &String| text.replace(secret.as_str(), HIDDEN);
        self.0.iter().fold(text.to_owned(), hidden)
    }
}

/// Is a variable or a flag of this name a secret?
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let ends = ["KEY", "TOKEN", "SECRET", "PASSWORD"];
    ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_among_the_flags_are_struck_out() {
        let flags = [
            "--api-key",
            "sk-secret",
            "--hf-token=hf_secret",
            "--port",
            "8000",
        ];
        let secrets = Secrets::known(&flags.map(str::to_owned));
        assert_eq!(
            secrets.hide("api_key='sk-secret' on 8000, hf_secret"),
            "api_key='[key]' on 8000, [key]"
        );
    }
}
