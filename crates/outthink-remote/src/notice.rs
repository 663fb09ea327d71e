//! News for a user who waits for servers.

use std::fmt;
use std::time::Duration;

use crate::Role;
use crate::pool::FIRST_CONTACT;

/// A change in the state of a role's servers, to be shown to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// No server of a role answers: the run waits.
    Down {
        /// The servers' role.
        role: Role,
        /// Why the last one failed.
        reason: String,
        /// How long is waited at most.
        patience: Duration,
    },
    /// A server has been overloaded for a while: the run waits for it.
    Busy {
        /// The servers' role.
        role: Role,
        /// The server's address.
        endpoint: String,
        /// Its message.
        reason: String,
        /// How long is waited at most.
        patience: Duration,
    },
    /// A server refuses a parameter, and is sent changed requests from now on.
    Changed {
        /// The servers' role.
        role: Role,
        /// The server's address.
        endpoint: String,
        /// The change, as a phrase after the server's name.
        change: String,
    },
    /// A server does not list the named model, and is asked for it all the same.
    Unlisted {
        /// The servers' role.
        role: Role,
        /// The server's address.
        endpoint: String,
        /// The model.
        model: String,
        /// Why its list does not hold it.
        reason: String,
    },
    /// A server answers again: the run goes on.
    Up {
        /// The servers' role.
        role: Role,
        /// The server's address.
        endpoint: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down {
                role,
                reason,
                patience,
            } => {
                write!(
                    f,
                    "no {role} server answers ({reason}); {}",
                    Wait(*patience)
                )
            }
            Self::Busy {
                role,
                endpoint,
                reason,
                patience,
            } => {
                let wait = Wait(*patience);
                write!(f, "the {role} server {endpoint} is busy ({reason}); {wait}")
            }
            Self::Changed {
                role,
                endpoint,
                change,
            } => write!(f, "the {role} server {endpoint} {change}"),
            Self::Unlisted {
                role,
                endpoint,
                model,
                reason,
            } => write!(
                f,
                "the {role} server {endpoint} does not list its models ({reason}); asking for {model} as named"
            ),
            Self::Up { role, endpoint } => {
                write!(f, "the {role} server {endpoint} answers; going on")
            }
        }
    }
}

/// How long is waited, and how to change that.
struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64().ceil();
        match self.0 <= FIRST_CONTACT {
            true => write!(f, "trying again for {seconds} s"),
            false => write!(
                f,
                "waiting up to {seconds} s (patience-seconds), Ctrl-C to stop"
            ),
        }
    }
}
