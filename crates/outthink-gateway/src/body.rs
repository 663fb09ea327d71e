//! The body of a request: bytes that arrive, and the fields of the object that they spell.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::{ApiError, quoted};
use crate::serve::Settings;

/// How long a body is read on that is too large, so that its client comes to hear of it.
const DRAINING: Duration = Duration::from_secs(2);

/// The body, once all of it is there, within its bounds.
pub async fn read(settings: &Settings, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    is_json(headers)?;
    let seconds = settings.body_seconds;
    let arriving = tokio::time::timeout(
        Duration::from_secs(seconds),
        arrive(body, settings.body_bytes),
    );
    arriving.await.map_err(|_| ApiError::late_body(seconds))?
}

async fn arrive(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut fits = body.size_hint().lower() <= limit as u64;
    let mut arriving = body.into_data_stream();
    let mut whole = BytesMut::new();
    while fits {
        match arriving.next().await {
            None => return Ok(whole.freeze()),
            Some(Err(_)) => return Err(ApiError::malformed("the body did not arrive whole")),
            Some(Ok(data)) if whole.len() + data.len() > limit => fits = false,
            Some(Ok(data)) => whole.extend_from_slice(&data),
        }
    }
    drop(whole);
    let draining = async { while let Some(Ok(_)) = arriving.next().await {} };
    // It is too large, however much there is of it.
    let _ = tokio::time::timeout(DRAINING, draining).await;
    Err(ApiError::too_large(limit))
}

/// JSON may come under the names that clients send it by when they are told none, curl's among them.
fn is_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let said = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(coding) =
        said(CONTENT_ENCODING).filter(|c| !c.trim().eq_ignore_ascii_case("identity"))
    {
        return Err(ApiError::no_json(coding));
    }
    let Some(said) = said(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = said.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let known = matches!(
        kind.as_str(),
        "" | "application/json" | "text/json" | "text/plain" | "application/x-www-form-urlencoded"
    );
    match known || kind.ends_with("+json") {
        true => Ok(()),
        false => Err(ApiError::no_json(said)),
    }
}

/// The fields of a JSON object, unread; one that is `null` is left out. What nobody reads costs no more than its bytes.
pub(crate) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body)
            .map_err(|error| ApiError::malformed(format!("the body is no JSON object: {error}")))?;
        let given = fields
            .into_iter()
            .filter(|(_, value)| value.get() != "null");
        Ok(Self(given.collect()))
    }

    /// Takes out a field; `what` says what it ought to be.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        what: &str,
    ) -> Result<Option<T>, ApiError> {
        let Some(raw) = self.0.remove(name) else {
            return Ok(None);
        };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| {
            ApiError::invalid(
                name,
                format!("`{name}` is {what}, not {}", quoted(raw.get())),
            )
        })
    }

    /// Takes out a number without a fraction.
    pub(crate) fn whole<T: TryFrom<i128>>(
        &mut self,
        name: &'static str,
        what: &str,
    ) -> Result<Option<T>, ApiError> {
        Ok(self
            .take::<Whole<T>>(name, what)?
            .map(|Whole(number)| number))
    }

    /// Takes out a field that tells by itself what is wrong with it.
    pub(crate) fn object<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, ApiError> {
        let Some(raw) = self.0.remove(name) else {
            return Ok(None);
        };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|error| ApiError::invalid(name, format!("`{name}`: {error}")))
    }

    /// A field as it stands.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// All that was not taken.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// A number without a fraction, as JSON may write it: 4 and 4.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole<T>(pub(crate) T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let exact = number.as_i64().map(i128::from);
        let exact = exact.or_else(|| number.as_u64().map(i128::from));
        // Beyond 2^53 a float no longer tells which number was written.
        let whole = |float: f64| {
            (float.fract() == 0.0 && float.abs() <= 2_f64.powi(53)).then_some(float as i128)
        };
        let value = exact.or_else(|| number.as_f64().and_then(whole));
        let value = value.ok_or_else(|| D::Error::custom("expected a whole number"))?;
        let fits = T::try_from(value).map(Self);
        fits.map_err(|_| D::Error::custom(format!("{value} is out of range")))
    }
}
