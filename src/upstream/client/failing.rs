//! What went wrong, in words. Never the URL: a user may have put a key into it.

use std::error::Error;
use std::io;
use std::time::Duration;

use hyper_util::client::legacy;

use crate::failure::{Failure, Reason, TimeoutKind};

/// No connection within our own limit.
#[derive(Debug, thiserror::Error)]
#[error("{}", TimeoutKind::Connect.message(*.0))]
pub(super) struct Late(pub(super) Duration);

/// Of a call that got no head.
pub(super) fn from_call_error(error: &legacy::Error) -> Failure {
    if let Some(late) = causes(error).find_map(|cause| cause.downcast_ref::<Late>()) {
        // It causes a cooldown of the target, as every timeout does.
        return Failure::timed_out(TimeoutKind::Connect, late.0);
    }
    failure(error, error.is_connect())
}

/// Of an answer that broke off.
pub(super) fn from_body_error(error: &hyper::Error) -> Failure {
    Failure { reason: Reason::Truncated, ..failure(error, false) }
}

fn failure(error: &(dyn Error + 'static), is_connect: bool) -> Failure {
    let (reason, what) = match (is_connect, is_timeout(error)) {
        (true, true) => (Reason::Timeout, "cannot connect"),
        (true, false) => (Reason::Network, "cannot connect"),
        (false, true) => (Reason::Timeout, "timed out"),
        (false, false) => (Reason::Network, "the connection broke"),
    };
    Failure::new(reason, format!("{what}: {}", describe_root_cause(error)))
}

/// Whether some clock ran out, ours or the kernel's.
pub(super) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
            || cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    })
}

/// The innermost cause says what happened; the outer ones repeat that a request was sent.
pub(super) fn describe_root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
