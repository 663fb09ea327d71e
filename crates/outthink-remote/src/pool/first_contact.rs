//! The first contact: asking servers what they are, and waiting for those that start.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;

use super::{FIRST_CONTACT, Pool};
use crate::endpoint::Endpoint;
use crate::http::TransportError;
use crate::{Error, Notice};

impl Pool {
    /// Sends a GET to one server, once, and outside of its limit on requests in flight.
    pub(crate) async fn probe(
        &self,
        endpoint: &Endpoint,
        path: &'static str,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let answer = self
            .http
            .exchange(
                endpoint,
                Method::GET,
                path,
                Bytes::new(),
                timeout.min(self.timeout),
            )
            .await;
        answer.map(|answer| answer.body)
    }

    /// Waits a little before servers are asked again, of which none has answered since `started`. Unreachable servers
    /// are waited for briefly (`FIRST_CONTACT`), busy ones for as long as is configured.
    ///
    /// # Errors
    ///
    /// Where that time is over.
    pub(crate) async fn wait_for_any(
        &self,
        started: Instant,
        last: &TransportError,
        name: &str,
    ) -> Result<(), Error> {
        let waited = started.elapsed();
        let busy = matches!(last, TransportError::Busy(..));
        let patience = match busy {
            true => self.patience,
            false => self.patience.min(FIRST_CONTACT),
        };
        let reason = format!("{name}: {last}");
        if waited >= patience && busy {
            return Err(self.down(waited, &reason));
        }
        if waited >= patience {
            return Err(Error::Absent {
                role: self.role,
                advice: advice(last),
                last: reason,
            });
        }
        if self.state().goes_down() {
            (self.notice)(Notice::Down {
                role: self.role,
                reason,
                patience,
            });
        }
        let left = patience.saturating_sub(waited);
        tokio::time::sleep(self.backoff(3).min(left)).await;
        Ok(())
    }

    /// Tells the user that a server does not list the named model.
    pub(crate) fn unlisted(&self, endpoint: &Endpoint, model: &str, reason: String) {
        (self.notice)(Notice::Unlisted {
            role: self.role,
            endpoint: endpoint.name().to_owned(),
            model: model.to_owned(),
            reason,
        });
    }
}

/// What to check where a server cannot be reached.
fn advice(failure: &TransportError) -> &'static str {
    let TransportError::Unreachable(reason) = failure else {
        return match failure {
            TransportError::TimedOut(_) => {
                " Something is there that does not answer: is the port right?"
            }
            TransportError::Failed(..) => {
                " If only its list of models fails, name a model as http://host:port/v1#NAME."
            }
            _ => " Is the address right?",
        };
    };
    let reason = reason.to_lowercase();
    if reason.contains("refused") {
        " Is it running, and is the port right?"
    } else if reason.contains("lookup") || reason.contains("dns") || reason.contains("name") {
        " Is the host's name right?"
    } else if reason.contains("certificate")
        || reason.contains("invalidcontenttype")
        || reason.contains("tls")
        || reason.contains("corrupt")
    {
        " If it speaks plain http, write http://"
    } else {
        " Is it running, and is the address right?"
    }
}
