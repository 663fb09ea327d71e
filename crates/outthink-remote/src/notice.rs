//! What a person who waits should know.

use std::fmt;
use std::time::Duration;

use crate::Role;
use crate::pool::FIRST_CONTACT;

/// The fleet's state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// No server of a role answers: the run waits.
    Down {
        /// Which role.
        role: Role,
        /// What the last one said.
        reason: String,
        /// At most for how long.
        patience: Duration,
    },
    /// A server has had too much to do for a while: the run waits for it.
    Busy {
        /// Which role.
        role: Role,
        /// Which server.
        endpoint: String,
        /// What it said.
        reason: String,
        /// At most for how long.
        patience: Duration,
    },
    /// A server refuses a part of the requests and is asked without from now on.
    Changed {
        /// Which role.
        role: Role,
        /// Which server.
        endpoint: String,
        /// What it does not take.
        change: String,
    },
    /// A server does not list the model that was named, and is asked for it all the same.
    Unlisted {
        /// Which role.
        role: Role,
        /// Which server.
        endpoint: String,
        /// The model.
        model: String,
        /// Why its list does not tell.
        reason: String,
    },
    /// One answers again: the run goes on.
    Up {
        /// Which role.
        role: Role,
        /// Which server.
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

/// For how long, and what to do about it.
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
