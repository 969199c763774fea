//! What the providers tell of their accounts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json as object};

use super::answer::{json, millis};
use super::shared::Shared;
use crate::routing::quota::{Allowance, Quota};

/// `GET /usage/quota`: asks those of whom nothing is known that is younger than a minute; takes 5 s at most for that.
pub(super) async fn told(State(shared): State<Arc<Shared>>) -> Response {
    let quotas = shared.relay.quotas().refreshed(&shared.relay.settings()).await;
    json(StatusCode::OK, &as_json(&quotas))
}

/// `{"providers":[{"id","at","allowances":[{"name","used","left","currency","resets"}],"error"?}]}`. Moments are in
/// milliseconds since 1970, `used` is a share from 0 to 1, `left` an exact amount as a string.
#[must_use]
pub fn as_json(quotas: &[Quota]) -> Value {
    object!({ "providers": quotas.iter().map(provider).collect::<Vec<_>>() })
}

fn provider(quota: &Quota) -> Value {
    let told = quota.told.as_deref().unwrap_or_default();
    let allowances: Vec<Value> = told.iter().map(allowance).collect();
    let mut value = object!({ "id": quota.provider, "at": millis(quota.at), "allowances": allowances });
    if let (Err(why), Some(members)) = (&quota.told, value.as_object_mut()) {
        members.insert("error".to_owned(), why.as_str().into());
    }
    value
}

fn allowance(allowance: &Allowance) -> Value {
    object!({
        "name": allowance.name,
        "used": allowance.used,
        "left": allowance.left.as_ref().map(ToString::to_string),
        "currency": allowance.left.as_ref().map(|left| left.currency.as_str()),
        "resets": allowance.resets.map(millis),
    })
}
