//! The account quotas that providers report.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json as object};

use super::app_state::AppState;
use super::response::json_response;
use crate::record::to_unix_millis;
use crate::routing::quota::{Allowance, ProviderQuota};

/// `GET /usage/quota`: queries the providers whose known quota is older than a minute. That takes at most 5 s.
pub(super) async fn get_quota(State(shared): State<Arc<AppState>>) -> Response {
    let quotas = shared.engine.quotas().refresh(&shared.engine.settings()).await;
    json_response(StatusCode::OK, &to_json(&quotas))
}

/// `{"providers":[{"id","at","allowances":[{"name","used","left","currency","resets"}],"error"?}]}`. Moments are in
/// milliseconds since 1970, `used` is a share from 0 to 1, `left` an exact amount as a string.
#[must_use]
pub fn to_json(quotas: &[ProviderQuota]) -> Value {
    object!({ "providers": quotas.iter().map(render_provider).collect::<Vec<_>>() })
}

fn render_provider(quota: &ProviderQuota) -> Value {
    let allowances = quota.limits.as_deref().unwrap_or_default();
    let allowances: Vec<Value> = allowances.iter().map(render_allowance).collect();
    let mut value =
        object!({ "id": quota.provider, "at": to_unix_millis(quota.fetched_at), "allowances": allowances });
    if let (Err(why), Some(members)) = (&quota.limits, value.as_object_mut()) {
        members.insert("error".to_owned(), why.as_str().into());
    }
    value
}

fn render_allowance(allowance: &Allowance) -> Value {
    object!({
        "name": allowance.name,
        "used": allowance.used_share,
        "left": allowance.remaining.as_ref().map(ToString::to_string),
        "currency": allowance.remaining.as_ref().map(|left| left.currency.as_str()),
        "resets": allowance.resets_at.map(to_unix_millis),
    })
}
