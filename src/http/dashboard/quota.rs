//! What is left of each provider's quota.

use maud::{Markup, html};

/// The section.
pub(super) fn section() -> Markup {
    html! {
        h2 id="quota-title" { "Quota" }
        p.muted { "No provider has told its quota yet." }
    }
}
