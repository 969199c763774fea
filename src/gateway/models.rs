//! `GET /v1/models`: every model name that a client may use.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::app_state::AppState;
use super::error::ApiError;
use super::response::{has_anthropic_version, json_response};
use crate::routing::RequestError;
use crate::routing::route::ModelListing;

/// Both SDKs require a time. Names from the configuration have none.
const CREATED: u64 = 0;

/// The list, in OpenAI's format, or in Anthropic's for its clients.
pub(super) async fn list_models(
    State(shared): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let offered = shared.engine.list_models();
    if !has_anthropic_version(&headers) {
        let value = json!({"object": "list", "data": offered.iter().map(render_openai).collect::<Vec<_>>()});
        return Ok(json_response(StatusCode::OK, &value));
    }
    let (models, has_more) = ModelPage::parse(uri.query().unwrap_or_default())?.select(&offered);
    let value = json!({
        "data": models.iter().map(render_anthropic).collect::<Vec<_>>(),
        "has_more": has_more,
        "first_id": models.first().map(|model| &model.id),
        "last_id": models.last().map(|model| &model.id),
    });
    Ok(json_response(StatusCode::OK, &value))
}

/// The requested part of the list (Anthropic's API reference, "List Models", 2026). Without a limit it is the
/// whole list. A client has to be ready for that, because the whole list may be as short as a page.
#[derive(Debug, Default)]
struct ModelPage {
    limit: Option<usize>,
    after: Option<String>,
    before: Option<String>,
}

impl ModelPage {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut page = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| *limit > 0);
                    let wrong = || ApiError::bad_query("limit", "limit must be a number of at least 1");
                    page.limit = Some(limit.ok_or_else(wrong)?);
                }
                "after_id" => page.after = Some(value.into_owned()),
                "before_id" => page.before = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The models, and whether there are more in the direction of the client's paging.
    fn select<'m>(&self, all: &'m [ModelListing]) -> (&'m [ModelListing], bool) {
        let place = |id: &Option<String>| all.iter().position(|model| Some(&model.id) == id.as_ref());
        let start = place(&self.after).map_or(0, |place| place + 1);
        let end = place(&self.before).unwrap_or(all.len()).max(start);
        let limit = self.limit.unwrap_or(all.len());
        let (from, to) = if self.before.is_some() && self.after.is_none() {
            (end.saturating_sub(limit).max(start), end)
        } else {
            (start, start.saturating_add(limit).min(end))
        };
        (all.get(from..to).unwrap_or_default(), from > start || to < end)
    }
}

/// One model name, as [`list_models`] returns it, or any other that a request may use.
pub(super) async fn get_model(
    State(shared): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| RequestError::InvalidModel)?;
    let model = shared.engine.describe_model(&id)?;
    let render = if has_anthropic_version(&headers) { render_anthropic } else { render_openai };
    Ok(json_response(StatusCode::OK, &render(&model)))
}

fn render_openai(model: &ModelListing) -> Value {
    let mut value = json!({"id": model.id, "object": "model", "created": CREATED, "owned_by": model.owner, "name": model.display_name});
    if let Some(window) = model.context_window {
        value["context_length"] = window.into();
    }
    if let Some(most) = model.max_tokens {
        value["max_output_tokens"] = most.into();
    }
    value
}

fn render_anthropic(model: &ModelListing) -> Value {
    json!({"type": "model", "id": model.id, "display_name": model.display_name, "created_at": "1970-01-01T00:00:00Z"})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paged(query: &str) -> (String, bool) {
        let model = |id: char| ModelListing {
            id: id.to_string(),
            display_name: String::new(),
            owner: String::new(),
            context_window: None,
            max_tokens: None,
        };
        let all: Vec<ModelListing> = "abcde".chars().map(model).collect();
        let (models, has_more) = ModelPage::parse(query).unwrap().select(&all);
        (models.iter().map(|model| model.id.as_str()).collect(), has_more)
    }

    #[test]
    fn pages_work_in_both_directions() {
        for (query, ids, has_more) in [
            ("", "abcde", false),
            ("limit=1000", "abcde", false),
            ("limit=2", "ab", true),
            ("limit=2&after_id=b", "cd", true),
            ("limit=2&after_id=d", "e", false),
            ("after_id=e", "", false),
            ("limit=2&before_id=d", "bc", true),
            ("before_id=c", "ab", false),
            ("limit=2&beta=true&after_id=unknown", "ab", true),
        ] {
            assert_eq!(paged(query), (ids.to_owned(), has_more), "{query}");
        }
        for wrong in ["limit=0", "limit=-1", "limit=many"] {
            assert!(ModelPage::parse(wrong).is_err(), "{wrong}");
        }
    }
}
